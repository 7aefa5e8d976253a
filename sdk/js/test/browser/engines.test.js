// `upload` and `<gatepass-upload>` in other browsers than Chromium, against the real server.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { openFirefox } from "../../../../tests/browser/firefox.js";
import { startGatepass } from "../../../../tests/browser/gatepass.js";
import { openWebKit } from "../../../../tests/browser/webkit.js";
import { ELEMENT_PAGE } from "./support/element-page.js";
import { fileStore, servedHash } from "./support/files.js";
import { PATIENCE } from "./support/fixture.js";
import { PAGE, assertWhole } from "./support/page.js";
import { startSite } from "./support/site.js";

const MB = 1_000_000;
const MIB = 1_048_576;

for (const [name, open] of [["Firefox", openFirefox], ["WebKit", openWebKit]]) {
  describe(name, () => {
    let server, site, browser, files;

    before(async () => {
      server = await startGatepass();
      site = await startSite(server.url, { "/": PAGE, "/element": ELEMENT_PAGE });
      files = await fileStore();
      browser = await open();
    });

    after(async () => {
      await browser?.close();
      site?.close();
      await server?.stop();
      await files?.remove();
    });

    beforeEach(async () => {
      await browser.goto(site.url);
      site.signed = 0;
    });

    async function begin(file, options) {
      await browser.choose(() => document.querySelector("#file"), file.path);
      await browser.run((options) => begin(options), options);
    }

    async function until(holds) {
      const end = Date.now() + PATIENCE;
      while (!(await browser.run(holds))) {
        assert.ok(Date.now() < end, `it never holds: ${holds}`);
        await new Promise((later) => setTimeout(later, 20));
      }
    }

    async function ended() {
      await until(() => Boolean(log.result || log.error));
      return browser.run(() => log);
    }

    test("a small file goes by one PUT, a large one in chunks", async () => {
      for (const [name, size] of [["small.bin", MB], ["large.bin", 30 * MB], ["empty.bin", 0]]) {
        const file = await files.make(name, size);
        await begin(file, {});
        await assertWhole(await ended(), file);
      }
    });

    test("after a reload in the middle it goes on", async () => {
      const file = await files.make("reload.bin", 60 * MB);
      await begin(file, { chunkSize: MIB });
      await browser.run(pausedAt, 0.2 * file.size);
      await browser.reload();
      await begin(file, { chunkSize: MIB });
      const log = await ended();
      await assertWhole(log, file);
      assert.equal(site.signed, 1, "the upload is gone on with, not begun again");
      const known = log.progress.find(({ received }) => received > 0).received;
      assert.ok(known >= 0.2 * file.size, `${known} bytes are known after the reload`);
    });

    test("after the server was killed and restarted it goes on", async () => {
      const file = await files.make("crash.bin", 60 * MB);
      await begin(file, { chunkSize: MIB });
      await until(() => log.progress.at(-1)?.received > 0);
      await server.kill();
      await server.start();
      await assertWhole(await ended(), file);
    });

    test("the element uploads, and its form gets the receipt", async () => {
      await browser.goto(`${site.url}/element`);
      const file = await files.make("chosen.bin", 10 * MB);
      await browser.choose(() => document.querySelector("gatepass-upload").shadowRoot.querySelector("input[type=file]"), file.path);
      await until(() => Boolean(document.querySelector("gatepass-upload").shadowRoot.querySelector("li[data-state=done]")));
      assert.equal(await servedHash(`${server.url}/chosen.bin`), file.sha256);
      const receipts = await browser.run(() => new FormData(document.querySelector("form")).getAll("receipt"));
      assert.equal((await site.signer.verifyReceipt(receipts[0])).path, "chosen.bin");
      assert.ok((await browser.run(() => said)).some((text) => text.includes("chosen.bin is uploaded")));
    });

    test("what is refused is told", async () => {
      site.sign = ({ name }) => site.signer.signUpload(name, { maxSize: 2 * MB });
      await begin(await files.make("too-large.bin", 5 * MB), { chunkSize: MIB });
      assert.equal((await ended()).error.message, "The file is too large: at most 2 MB are accepted.");
    });
  });
}

/** In the page: pauses the upload once the server has so many bytes. */
function pausedAt(bytes) {
  return new Promise((resolve) => {
    const look = setInterval(() => {
      if ((log.progress.at(-1)?.received ?? 0) < bytes) return;
      task.pause();
      clearInterval(look);
      resolve(true);
    }, 1);
  });
}
