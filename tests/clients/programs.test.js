// Programs and libraries outside of a browser, against the real server.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { fileStore, servedHash } from "../../sdk/js/test/browser/support/files.js";
import { KEY, startGatepass } from "../browser/gatepass.js";
import { Signer } from "../../sdk/js/dist/server.js";
import { recipe } from "./recipes.js";

const PYTHON = process.env.GATEPASS_TEST_PYTHON ?? "python3";

let server, signer, files;

before(async () => {
  server = await startGatepass();
  signer = new Signer({ key: KEY, publicUrl: server.url });
  files = await fileStore();
});

after(async () => {
  await server?.stop();
  await files?.remove();
});

/** Runs a program with `FILE` and `URL`; what it prints, or throws what went wrong. */
function run(program, args, FILE, URL) {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, FILE, URL };
    execFile(program, args, { env }, (error, out, err) => (error ? reject(new Error(err || out)) : resolve(out)));
  });
}

const programs = [
  ["curl", "sh", (code) => ["-c", code], recipe("curl")],
  ["requests", PYTHON, (code) => ["-c", code], recipe("Python")],
  ["httpx", PYTHON, (code) => ["-c", code], recipe("Python", 1)],
  ["fetch of a file", "node", (code) => ["--input-type=module", "-e", code], recipe("Node")],
  ["fetch of a stream", "node", (code) => ["--input-type=module", "-e", code], recipe("Node", 1)],
];

for (const [name, program, args, code] of programs) {
  test(name, async () => {
    const file = await files.make(`${name}.bin`, 9_000_000);
    const url = await signer.signUpload(file.name);
    assert.match(await run(program, args(code), file.path, url), /http/);
    assert.equal(await servedHash(url.split("?")[0]), file.sha256);
  });

  test(`${name}, refused`, async () => {
    const file = await files.make(`${name} refused.bin`, 9_000_000);
    const url = await signer.signUpload(file.name, { maxSize: 1000 });
    await assert.rejects(run(program, args(code), file.path, url), /413|larger than allowed/);
    assert.equal((await fetch(url.split("?")[0])).status, 404);
  });
}
