// What can be run of the Laravel example without Laravel: its class that signs and checks receipts,
// against the real binary, and the syntax of the rest.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startGatepass } from "../browser/gatepass.js";
import { changed, photo, somebodyElses } from "./drive.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const example = join(root, "examples/laravel");
const run = promisify(execFile);
let gatepass;

before(async () => (gatepass = await startGatepass()));
after(() => gatepass?.stop());

test("signs, takes the receipt, and refuses others", async () => {
  const url = await php("sign", "7");
  const answer = await fetch(url, { method: "PUT", body: photo.buffer });
  assert.equal(answer.status, 201);
  const receipt = answer.headers.get("Gatepass-Receipt");
  const file = (await answer.json()).data;
  assert.equal(await php("accept", receipt, "7"), file.id);
  assert.equal(await php("accept", changed(receipt), "7"), "refused");
  assert.equal(await php("accept", await somebodyElses(gatepass), "7"), "refused");
  assert.equal(await php("accept", "", "7"), "refused");
});

test("the syntax of its files", async () => {
  const files = (await readdir(example, { recursive: true })).filter((name) => name.endsWith(".php") && !name.endsWith(".blade.php"));
  assert.equal(files.length, 4);
  for (const file of files) await run("php", ["-l", join(example, file)]);
});

/** A method's answer: text, or the id that the claims state. */
async function php(method, ...values) {
  const program = `
    spl_autoload_register(fn ($name) => require $_SERVER['argv'][1] . '/' . basename(strtr($name, '\\\\', '/')) . '.php');
    require $_SERVER['argv'][2];
    [$key, $url, $method, $values] = array_merge(array_slice($_SERVER['argv'], 3, 3), [array_slice($_SERVER['argv'], 6)]);
    $photos = new App\\Photos(new Gatepass\\Sign\\Signer($key, $url), $url);
    $answer = $photos->$method(...$values);
    echo is_string($answer) ? $answer : ($answer?->sub ?? 'refused');`;
  const settings = [join(root, "sdk/php/src"), join(example, "app/Photos.php"), gatepass.key, gatepass.delivery];
  return (await run("php", ["-r", program, "--", ...settings, method, ...values])).stdout;
}
