// `upload` in Chromium, against the real server: what it sends, and what it is told.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { throttle } from "./support/browser.js";
import { servedHash } from "./support/files.js";
import { fixture } from "./support/fixture.js";
import { assertMonotonic, assertWhole, begin, ended, received } from "./support/page.js";

const MB = 1_000_000;
const MIB = 1_048_576;
const unixNow = () => Math.floor(Date.now() / 1000);

let server, site, files, page, puts;
fixture((all) => ({ server, site, files, page, puts } = all));

const dataBytes = () => puts.reduce((sum, put) => sum + put.bytes, 0);

describe("sending", () => {
  test("a small file goes by one PUT", async () => {
    const file = await files.make("small.bin", MB);
    await begin(page, file);
    await assertWhole(await ended(page), file);
    assert.deepEqual(puts.map((put) => put.range), [undefined]);
  });

  test("an empty file arrives", async () => {
    const file = await files.make("empty.bin", 0);
    await begin(page, file);
    await assertWhole(await ended(page), file);
  });

  test("a file of any length around a chunk arrives", async () => {
    for (const size of [MIB, MIB + 1, MIB + MIB / 4, 2 * MIB - 1]) {
      const file = await files.make(`edge-${size}.bin`, size);
      await begin(page, file, { chunkSize: MIB });
      await assertWhole(await ended(page), file);
    }
  });

  test("500 MB go in chunks, several at once", async () => {
    const file = await files.make("large.bin", 500 * MB);
    let now = 0;
    let most = 0;
    page.on("request", (request) => request.method() === "PUT" && (most = Math.max(most, ++now)));
    for (const end of ["requestfinished", "requestfailed"]) page.on(end, (request) => request.method() === "PUT" && now--);
    await begin(page, file);
    await assertWhole(await ended(page, 600_000), file);
    assert.ok(most >= 3 && most <= 5, `${most} at once`);
    assert.equal(dataBytes(), file.size, "nothing was sent twice");
  });

  test("a slow network shows steady progress", async () => {
    const file = await files.make("slow.bin", 6 * MB);
    await throttle(page, 2 * MB);
    await begin(page, file, { chunkSize: MIB });
    const log = await ended(page);
    await assertWhole(log, file);
    assert.ok(log.progress.length > 10, `${log.progress.length} steps`);
  });

  test("another origin and an unusual name", async () => {
    const file = await files.make("Übung 1 (ñ).bin", 3 * MB);
    await page.goto(site.url.replace("127.0.0.1", "localhost"));
    await begin(page, file, { chunkSize: MIB });
    await assertWhole(await ended(page), file);
  });

  test("a file that may only be created survives a lost answer", async () => {
    const file = await files.make("once.bin", 100_000);
    site.sign = ({ name }) => site.signer.signUpload(name, { overwrite: false });
    let lost = false;
    await page.route("**/once.bin?*", async (route) => {
      if (lost || route.request().method() !== "PUT") return route.continue();
      lost = true;
      await route.fetch();
      await route.abort("connectionreset");
    });
    await begin(page, file);
    await assertWhole(await ended(page), file);
    assert.ok(lost);
  });
});

describe("signed URLs", () => {
  test("an expired one is asked for again", async () => {
    const file = await files.make("expired.bin", 3 * MB);
    site.sign = ({ name }, nth) => site.signer.signUpload(name, { expiry: unixNow() + (nth === 1 ? -60 : 60) });
    await begin(page, file, { chunkSize: MIB });
    const log = await ended(page);
    await assertWhole(log, file);
    assert.equal(site.signed, 2);
    assert.ok(log.reasons.includes("url_expired"));
  });

  test("one that expires in the middle does not end the upload, nor does a reload then", async () => {
    const file = await files.make("expires.bin", 8 * MB);
    // The server allows 30 s for wrong clocks, so this one has 3 s left.
    site.sign = ({ name }) => site.signer.signUpload(name, { expiry: unixNow() - 27 });
    await throttle(page, MB);
    await begin(page, file, { chunkSize: MIB });
    await received(page, 0.3);
    await page.evaluate(() => task.pause());
    await pause(4000);
    await page.reload();
    site.sign = () => assert.fail("the upload has its own URL");
    await begin(page, file, { chunkSize: MIB });
    await assertWhole(await ended(page), file);
  });

  test("a fixed one that has expired is explained", async () => {
    const file = await files.make("old.bin", 1000);
    await begin(page, file, { url: await site.signer.signUpload("old.bin", { expiry: unixNow() - 60 }) });
    const { error } = await ended(page);
    assert.equal(error.kind, "url_expired");
    assert.equal(error.message, "The permission to upload has expired. Please try again.");
  });

  test("one that always comes expired is not asked for forever", async () => {
    const file = await files.make("stale.bin", 1000);
    site.sign = ({ name }) => site.signer.signUpload(name, { expiry: unixNow() - 60 });
    await begin(page, file);
    assert.equal((await ended(page)).error.kind, "url_expired");
    assert.equal(site.signed, 3);
  });

  test("a site that cannot sign is explained", async () => {
    const file = await files.make("unsigned.bin", 1000);
    site.sign = () => Promise.reject(new Error("no key"));
    await begin(page, file);
    const { error } = await ended(page);
    assert.equal(error.kind, "signing_failed");
    assert.equal(error.message, "This site gave no permission to upload. Try again later.");
  });

  test("a fixed one with another path is not mixed up with an earlier upload", async () => {
    const file = await files.make("move.bin", 6 * MB);
    await throttle(page, MB);
    await begin(page, file, { chunkSize: MIB });
    await received(page, 0.3);
    await page.reload();
    await throttle(page, 0);
    await begin(page, file, { chunkSize: MIB, url: await site.signer.signUpload("elsewhere/move.bin") });
    const log = await ended(page);
    await assertWhole(log, file);
    assert.equal(log.result.file.folder, "elsewhere");
  });

  test("one with another file's unfinished upload never makes a mixed file", async () => {
    const mine = await files.make("mixed.bin", 3 * MB, 1);
    const foreign = await files.make("foreign.bin", 3 * MB, 9);
    const url = await site.signer.signUpload("mixed.bin");
    const tail = (await readFile(foreign.path)).subarray(2 * MB);
    const headers = { "Content-Range": `bytes ${2 * MB}-${3 * MB - 1}/${3 * MB}` };
    assert.equal((await fetch(url, { method: "PUT", headers, body: tail })).status, 202);
    // A failure makes it ask what is missing: the tail is not, says the server.
    let cut = 0;
    await page.route("**/mixed.bin?*", (route) => (++cut === 3 ? route.abort("connectionreset") : route.continue()));
    await begin(page, mine, { chunkSize: MIB, parallel: 1, url });
    const { error } = await ended(page);
    assert.equal(error.kind, "part_conflict");
    assert.equal(error.message, "Another file was sent with the same permission. Please try again.");
  });

  test("one with an unfinished upload of the same file is gone on with", async () => {
    const file = await files.make("same.bin", 3 * MB);
    const url = await site.signer.signUpload("same.bin");
    const headers = { "Content-Range": `bytes ${2 * MB}-${3 * MB - 1}/${3 * MB}` };
    await fetch(url, { method: "PUT", headers, body: (await readFile(file.path)).subarray(2 * MB) });
    await begin(page, file, { chunkSize: MIB, url });
    await assertWhole(await ended(page), file);
  });

  test("one that was used already takes the same file, and no other", async () => {
    const url = await site.signer.signUpload("used.bin");
    const file = await files.make("used.bin", 3 * MB, 1);
    await begin(page, file, { chunkSize: MIB, url });
    await assertWhole(await ended(page), file);
    await begin(page, file, { chunkSize: MIB, url });
    await assertWhole(await ended(page), file);
    await begin(page, await files.make("used.bin", 3 * MB, 2), { chunkSize: MIB, url });
    const { error } = await ended(page);
    assert.equal(error.kind, "upload_complete");
    assert.equal(await servedHash(`${server.url}/used.bin`), file.sha256);
  });
});

describe("refusals are understandable", () => {
  const refused = async (file, policy, options) => {
    site.sign = ({ name }) => site.signer.signUpload(name, policy);
    await begin(page, file, options);
    const log = await ended(page);
    assertMonotonic(log.progress, file.size);
    assert.equal(log.states.at(-1), "failed");
    return log.error;
  };

  for (const [name, chunkSize] of [["one PUT", 8 * MIB], ["chunks", MIB]]) {
    test(`a wrong type, ${name}`, async () => {
      const file = await files.make(`wrong-type-${chunkSize}.bin`, 5 * MB);
      const error = await refused(file, { type: "image/*" }, { chunkSize });
      assert.equal(error.kind, "policy_violation");
      assert.equal(error.message, "This type of file is not accepted here.");
    });

    test(`too large, ${name}`, async () => {
      const file = await files.make(`too-large-${chunkSize}.bin`, 5 * MB);
      const error = await refused(file, { maxSize: 2 * MB }, { chunkSize });
      assert.equal(error.kind, "too_large");
      assert.equal(error.message, "The file is too large: at most 2 MB are accepted.");
      assert.ok(puts.length <= 2, "nothing is sent after the refusal");
    });
  }

  test("a name that is taken", async () => {
    const file = await files.make("taken.bin", 1000);
    await fetch(await site.signer.signUpload("taken.bin"), { method: "PUT", body: "another" });
    const error = await refused(file, { overwrite: false });
    assert.equal(error.message, "A file with this name is already there.");
  });

  test("no server", async () => {
    const file = await files.make("nobody.bin", 1000);
    await begin(page, file, { url: "http://127.0.0.1:9/nobody.bin", retries: 1 });
    const { error, states } = await ended(page);
    assert.equal(error.kind, "network");
    assert.equal(error.message, "The connection was lost. Try again to go on where it stopped.");
    assert.deepEqual(states, ["preparing", "uploading", "retrying", "preparing", "uploading", "failed"]);
  });

  test("a file that is changed while it goes up", async () => {
    const file = await files.make("changed.bin", 8 * MB);
    await throttle(page, MB);
    await begin(page, file, { chunkSize: MIB });
    await received(page, 0.2);
    await pause(1100);
    await files.make("changed.bin", 7 * MB, 3);
    const { error } = await ended(page);
    assert.equal(error.kind, "file_unreadable");
    assert.match(error.message, /^The file can no longer be read/);
  });
});
