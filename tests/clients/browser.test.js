// Upload libraries in Chromium, unchanged, against the real server.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { build } from "esbuild";
import { launch } from "../../sdk/js/test/browser/support/browser.js";
import { fileStore, servedHash } from "../../sdk/js/test/browser/support/files.js";
import { startGatepass } from "../browser/gatepass.js";
import { startSite } from "../../sdk/js/test/browser/support/site.js";
import { recipe, shared } from "./recipes.js";

const PAGE = `<!doctype html><input type="file" id="input"><div id="zone"></div><script type="module" src="/app.js"></script>`;
const MB = 1_000_000;

let server, site, browser, files, page, puts;
const pages = { "/": PAGE };

before(async () => {
  server = await startGatepass();
  site = await startSite(server.url, pages);
  browser = await launch();
  files = await fileStore();
});

after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
  await files?.remove();
});

beforeEach(async () => {
  page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  puts = [];
  page.on("request", (request) => request.method() === "PUT" && puts.push(request.headers()["content-range"]));
});

afterEach(() => page.close());

/** Runs a recipe with a file; what it hands to `done`. */
async function run(name, file, input = "#input") {
  const contents = `
    ${shared}
    const input = document.querySelector("#input");
    const done = (url) => (window.doneWith = url);
    ${recipe(name)}`;
  const stdin = { contents, resolveDir: new URL(".", import.meta.url).pathname };
  const define = { "process.env.NODE_ENV": '"production"' };
  pages["/app.js"] = (await build({ stdin, bundle: true, write: false, format: "esm", define })).outputFiles[0].text;
  await page.goto(site.url, { waitUntil: "load" });
  await page.setInputFiles(input, file.path);
  await page.waitForFunction(() => window.doneWith, null, { timeout: 120_000 });
  return page.evaluate(() => window.doneWith);
}

async function assertUploads(name, size, input) {
  const file = await files.make(`${name}-${size}.bin`, size);
  assert.equal(await servedHash(await run(name, file, input)), file.sha256);
}

const DROPZONE_INPUT = ".dz-hidden-input";
const FILEPOND_INPUT = ".filepond--browser";

describe("one PUT", () => {
  for (const [name, input] of [
    ["Uppy XHR Upload"],
    ["Uppy AWS S3"],
    ["Dropzone", DROPZONE_INPUT],
    ["FilePond", FILEPOND_INPUT],
  ]) {
    test(name, async () => {
      await assertUploads(name, 2 * MB, input);
      assert.deepEqual(puts, [undefined]);
    });
  }
});

describe("chunks", () => {
  for (const [name, size, chunks, input] of [
    ["UpChunk", 12 * MB, 3],
    ["react-uploady", 12 * MB, 3],
    ["react-uploady", 2 * MB, 1],
    ["Dropzone", 12 * MB, 3, DROPZONE_INPUT],
  ]) {
    test(`${name}, ${chunks}`, async () => {
      await assertUploads(name, size, input);
      assert.equal(puts.length, chunks);
      assert.ok(puts.every((range) => /^bytes \d+-\d+\/\d+$/.test(range)), String(puts));
    });
  }
});
