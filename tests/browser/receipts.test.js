// The whole flow of docs/receipts.md, with its programs as they stand there: a page in Chromium
// uploads and hands file and receipt to an app's backend, which believes it without a call.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { codes } from "../docs/snippets.js";
import { launchChromium } from "./chromium.js";
import { startGatepass } from "./gatepass.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const python = process.env.GATEPASS_TEST_PYTHON;
const path = "photos/7 ü.jpg";
const closing = [];
let gatepass, programs, directory, handedIn;

before(async () => {
  gatepass = await startGatepass();
  closing.push(gatepass.stop);
  process.env.GATEPASS_API_KEY = gatepass.key;
  // Beside the packages, so that the program finds its library.
  directory = await mkdtemp(join(here, "node_modules", "receipts-"));
  closing.push(() => rm(directory, { recursive: true }));
  programs = programsOf("docs/receipts.md");
  handedIn = await uploadInBrowser();
});

after(async () => {
  for (const close of closing.reverse()) await close();
});

test("the file that the browser hands in is the one that the receipt states", () => {
  const { file, receipt } = handedIn;
  const claims = JSON.parse(Buffer.from(receipt.split(".")[1], "base64url"));
  assert.deepEqual(
    [claims.sub, claims.path, claims.size, claims.type, claims.etag],
    [file.id, path, file.filesize, file.type, file.etag],
  );
});

const backends = { jose: trustedByJose, PyJWT: trustedByPyJwt };
for (const [name, trusted] of Object.entries(backends)) {
  test(`${name} believes it`, async () => {
    const claims = await trusted(handedIn.receipt, path);
    assert.equal(claims.sub, handedIn.file.id);
    assert.equal(claims.exp - claims.iat, 3600);
  });

  test(`${name} does not believe what was changed, is for another path, or is of another key`, async () => {
    const { receipt } = handedIn;
    const [head, , signature] = receipt.split(".");
    const claims = { ...(await trusted(receipt, path)), size: 1 };
    const changed = [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature];
    await assert.rejects(trusted(changed.join("."), path));
    await assert.rejects(trusted(receipt, "photos/8.jpg"));
    const none = Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url");
    await assert.rejects(trusted([none, changed[1], ""].join("."), path));
    await assert.rejects(trusted(receipt, path, "another key, as long as one has to be"));
  });
}

/** The programs of the page. */
function programsOf(page) {
  const [[inBrowser, jose], [pyjwt]] = ["js", "python"].map((language) => codes(page, undefined, language));
  return { inBrowser, jose, pyjwt };
}

/** An app with a page that uploads: what its browser hands in. */
async function uploadInBrowser() {
  const { promise: posted, resolve: take } = withResolvers();
  const app = createServer(async (request, response) => {
    if (request.method === "POST") {
      take(JSON.parse(Buffer.concat(await request.toArray())));
      return response.writeHead(204).end();
    }
    const module = request.url === "/upload.js";
    response.setHeader("Content-Type", module ? "text/javascript" : "text/html");
    response.end(module ? programs.inBrowser : "<!doctype html><title>app</title>");
  }).listen(0, "127.0.0.1");
  await once(app, "listening");
  closing.push(() => app.close());
  const browser = await launchChromium();
  closing.push(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`http://127.0.0.1:${app.address().port}/`);
  const url = gatepass.sign(encodeURIComponent(path).replace("%2F", "/"), "put");
  await page.evaluate(async (url) => {
    const { upload } = await import("/upload.js");
    await upload(url, new Blob(["a photo"]));
  }, url);
  return posted;
}

function withResolvers() {
  let resolve;
  const promise = new Promise((taken) => (resolve = taken));
  return { promise, resolve };
}

let copies = 0;
async function trustedByJose(receipt, path, key = gatepass.key) {
  // The program reads its key when it is loaded.
  process.env.GATEPASS_API_KEY = key;
  const file = join(directory, `${copies++}.mjs`);
  await writeFile(file, programs.jose);
  const { trusted } = await import(pathToFileURL(file));
  return trusted(receipt, path);
}

async function trustedByPyJwt(receipt, path, key = gatepass.key) {
  const call = "import json, sys\nprint(json.dumps(trusted(sys.argv[1], sys.argv[2])))";
  const env = { ...process.env, GATEPASS_API_KEY: key };
  const run = promisify(execFile)(python, ["-c", `${programs.pyjwt}\n${call}`, receipt, path], { env });
  return JSON.parse((await run).stdout);
}
