// `upload` and `<gatepass-upload>` in Firefox, against the real server: what differs between browsers.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { launchFirefox } from "../../../../tests/browser/firefox.js";
import { startGatepass } from "../../../../tests/browser/gatepass.js";
import { ELEMENT_PAGE } from "./support/element-page.js";
import { fileStore, servedHash } from "./support/files.js";
import { PATIENCE } from "./support/fixture.js";
import { PAGE, assertWhole } from "./support/page.js";
import { startSite } from "./support/site.js";

const MB = 1_000_000;
const MIB = 1_048_576;

let server, site, browser, files, page;

before(async () => {
  server = await startGatepass();
  site = await startSite(server.url, { "/": PAGE, "/element": ELEMENT_PAGE });
  files = await fileStore();
  browser = await launchFirefox();
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
});

after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
  await files?.remove();
});

beforeEach(async () => {
  await page.goto(site.url);
  site.signed = 0;
});

async function begin(file, options) {
  await (await page.$("#file")).uploadFile(file.path);
  await page.evaluate((options) => begin(options), options);
}

async function ended() {
  await page.waitForFunction(() => log.result || log.error);
  return page.evaluate(() => log);
}

test("a small file goes by one PUT, a large one in chunks", async () => {
  for (const [name, size] of [["small.bin", MB], ["large.bin", 60 * MB], ["empty.bin", 0]]) {
    const file = await files.make(name, size);
    await begin(file, {});
    await assertWhole(await ended(), file);
  }
});

test("after a reload in the middle it goes on", async () => {
  const file = await files.make("reload.bin", 150 * MB);
  await begin(file, { chunkSize: MIB });
  await page.evaluate(
    (part) =>
      new Promise((resolve) => {
        const look = setInterval(() => {
          if ((log.progress.at(-1)?.received ?? 0) < part) return;
          task.pause();
          clearInterval(look);
          resolve();
        }, 1);
      }),
    0.2 * file.size,
  );
  await page.reload();
  await begin(file, { chunkSize: MIB });
  const log = await ended();
  await assertWhole(log, file);
  assert.equal(site.signed, 1, "the upload is gone on with, not begun again");
  const known = log.progress.find(({ received }) => received > 0).received;
  assert.ok(known >= 0.2 * file.size, `${known} bytes are known after the reload`);
});

test("after the server was killed and restarted it goes on", async () => {
  const file = await files.make("crash.bin", 150 * MB);
  await begin(file, { chunkSize: MIB });
  await page.waitForFunction(() => log.progress.at(-1)?.received > 0, { polling: 1 });
  await server.kill();
  await server.start();
  await assertWhole(await ended(), file);
});

test("the element uploads, and its form gets the receipt", async () => {
  await page.goto(`${site.url}/element`);
  const file = await files.make("chosen.bin", 10 * MB);
  await (await page.$("gatepass-upload >>> input[type=file]")).uploadFile(file.path);
  await page.waitForSelector("gatepass-upload >>> li[data-state=done]");
  assert.equal(await servedHash(`${server.url}/chosen.bin`), file.sha256);
  const receipts = await page.$eval("form", (form) => new FormData(form).getAll("receipt"));
  assert.equal((await site.signer.verifyReceipt(receipts[0])).path, "chosen.bin");
  assert.ok((await page.evaluate(() => said)).some((text) => text.includes("chosen.bin is uploaded")));
});

test("what is refused is told", async () => {
  site.sign = ({ name }) => site.signer.signUpload(name, { maxSize: 2 * MB });
  await begin(await files.make("too-large.bin", 5 * MB), { chunkSize: MIB });
  assert.equal((await ended()).error.message, "The file is too large: at most 2 MB are accepted.");
});
