import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { test } from "node:test";

import { Signer, SigningError } from "@gatepass/sdk/server";

import { answer, expected } from "./cases.js";

const vectors = JSON.parse(readFileSync(new URL("../../../vectors/signing.json", import.meta.url)));
const publicUrl = "https://files.example.net";
const signer = new Signer({ key: "gp_test_key", publicUrl });

const refusal = (type, code) => (error) => error instanceof type && error.code === code;

test("answers every case of the vectors", async () => {
  for (const kind of ["sign", "sign-refuse", "receipt"]) {
    const cases = vectors.cases.filter((one) => one.kind === kind);
    assert.ok(cases.length > 20, kind);
    for (const one of cases) assert.equal(await answer(one), expected(one), one.id);
  }
});

test("refuses settings that are no key and no host", () => {
  for (const settings of [
    { key: "", publicUrl },
    { key: undefined, publicUrl },
    { key: "k", publicUrl: undefined },
    { key: "k", publicUrl: "" },
    { key: "k", publicUrl: "files.example.net" },
    { key: "k", publicUrl: "https://" },
    { key: "k", publicUrl: "https://files.example.net/folder" },
    { key: "k", publicUrl: "https://files.example.net?x=1" },
    { key: "k", publicUrl: "https://files.example.net\n" },
  ]) {
    assert.throws(() => new Signer(settings), refusal(SigningError, "settings_invalid"), inspect(settings));
  }
});

test("refuses options that JavaScript lets through", async () => {
  for (const options of [
    { max_size: 10 },
    { maxsize: 10 },
    { maxSize: "10" },
    { maxSize: 1.5 },
    { size: NaN },
    { size: 1n },
    { expiresIn: 0 },
    { expiresIn: 0.5 },
    { expiresIn: "60" },
    { expiresIn: 60, expiry: 4102444800 },
    { expiry: "4102444800" },
    { type: "" },
    { type: [] },
    { type: null },
    { overwrite: "false" },
    { ref: 7 },
    { ref: "\ud800" },
    { meta: { user: 7 } },
    { kid: null },
  ]) {
    await assert.rejects(signer.signUpload("a.bin", options), refusal(SigningError, "policy_malformed"), inspect(options));
  }
  for (const path of [undefined, null, 7, "\ud800.png"]) {
    await assert.rejects(signer.signUpload(path), refusal(SigningError, "path_invalid"), inspect(path));
  }
});

test("the three kinds of URL, an hour by default", async () => {
  const soon = Math.floor(Date.now() / 1000) + 3600;
  for (const [call, method] of [["signUpload", "put"], ["signDownload", "get"], ["signDelete", "delete"]]) {
    const url = new URL(await signer[call]("a b.png", { type: undefined }));
    assert.equal(url.pathname, "/a%20b.png");
    assert.equal(url.searchParams.get("method"), method);
    const expiry = Number(url.searchParams.get("expiry"));
    assert.ok(expiry >= soon && expiry <= soon + 5, `${expiry}`);
  }
  const typed = await signer.signUpload("a.png", { expiry: 1, type: ["image/png", "image/*"] });
  assert.match(typed, /&type=image\/png,image\/\*&/);
});

test("the key does not print", () => {
  assert.doesNotMatch(inspect(signer, { showHidden: true }) + JSON.stringify(signer), /gp_test_key/);
});
