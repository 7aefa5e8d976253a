// `upload` in Chromium, against the real server: what it survives.
import assert from "node:assert/strict";
import { utimes } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { processes, throttle } from "./support/browser.js";
import { servedHash } from "./support/files.js";
import { fixture } from "./support/fixture.js";
import { assertWhole, begin, ended, received } from "./support/page.js";

const MB = 1_000_000;
const MIB = 1_048_576;

let server, site, browser, context, files, page, puts, open;
fixture((all) => ({ server, site, browser, context, files, page, puts, open } = all));

const dataBytes = () => puts.reduce((sum, put) => sum + put.bytes, 0);

test("after ten seconds without a network", async () => {
  const file = await files.make("offline.bin", 12 * MB);
  await throttle(page, MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.2);
  await context.setOffline(true);
  await page.waitForFunction(() => task.state === "offline");
  await pause(10_000);
  assert.equal(await page.evaluate(() => task.state), "offline");
  const claimed = await page.evaluate(() => task.progress.received);
  assert.ok(claimed <= (await server.uploads(file.name))[0].received, "no more is claimed than the server has");
  await context.setOffline(false);
  await throttle(page, 0);
  await assertWhole(await ended(page), file);
  assert.ok(dataBytes() < file.size + 8 * MIB, `${dataBytes()} bytes sent`);
});

test("after a reload in the middle", async () => {
  const file = await files.make("reload.bin", 24 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.4);
  await page.reload();
  puts.length = 0;
  await throttle(page, 0);
  await begin(page, file, { chunkSize: MIB });
  await assertWhole(await ended(page), file);
  assert.ok(dataBytes() < 0.7 * file.size, `${dataBytes()} bytes sent again`);
  assert.equal(site.signed, 1, "the upload is gone on with, not begun again");
});

test("after the tab was killed", async () => {
  const file = await files.make("killed.bin", 24 * MB);
  const session = await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.4);
  session.send("Page.crash").catch(() => {});
  await page.waitForEvent("crash");
  ({ page, puts } = await open());
  await begin(page, file, { chunkSize: MIB });
  await assertWhole(await ended(page), file);
  assert.ok(dataBytes() < 0.7 * file.size, `${dataBytes()} bytes sent again`);
});

test("after the server was killed and restarted", async () => {
  const file = await files.make("crash.bin", 24 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.3);
  await server.kill();
  await page.waitForFunction(() => task.state === "retrying");
  await server.start();
  await throttle(page, 0);
  await assertWhole(await ended(page), file);
  assert.ok(dataBytes() < file.size + 12 * MIB, `${dataBytes()} bytes sent`);
});

test("after sleep, in which its connections died", async () => {
  const file = await files.make("sleep.bin", 24 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.3);
  const asleep = await processes(browser);
  try {
    for (const id of asleep) process.kill(id, "SIGSTOP");
    await server.kill();
    await server.start();
    const before = (await server.uploads(file.name))[0].received;
    await pause(3000);
    assert.equal((await server.uploads(file.name))[0].received, before, "it sleeps");
  } finally {
    for (const id of asleep) process.kill(id, "SIGCONT");
  }
  await throttle(page, 0);
  await assertWhole(await ended(page), file);
});

test("after the server was killed during one PUT", async () => {
  const file = await files.make("crash-small.bin", 4 * MB);
  await throttle(page, MB / 2);
  await begin(page, file);
  await page.waitForFunction(() => log.progress.at(-1)?.sent > 500_000);
  await server.kill();
  await server.start();
  await throttle(page, 0);
  await assertWhole(await ended(page), file);
});

test("another file of the same name, size and time is not taken for it", async () => {
  const first = await files.make("twin.bin", 6 * MB, 1);
  await utimes(first.path, 1_700_000_000, 1_700_000_000);
  await throttle(page, MB);
  await begin(page, first, { chunkSize: MIB });
  await received(page, 0.3);
  await page.reload();
  const second = await files.make("twin.bin", 6 * MB, 2);
  await utimes(second.path, 1_700_000_000, 1_700_000_000);
  await throttle(page, 0);
  await begin(page, second, { chunkSize: MIB });
  await assertWhole(await ended(page), second);
});

test("two uploads of one file at once do not mix", async () => {
  const file = await files.make("both.bin", 6 * MB);
  site.sign = ({ name }, nth) => site.signer.signUpload(`${nth}/${name}`);
  await throttle(page, 1.5 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.2);
  const second = await page.evaluate(async () => {
    const file = document.querySelector("#file").files[0];
    return (await Gatepass.upload(file, { getUrl: sign, chunkSize: 1_048_576 })).file.url;
  });
  const first = await ended(page);
  await assertWhole(first, file);
  const urls = [first.result.file.url, second];
  assert.equal(new Set(urls).size, 2);
  for (const url of urls) assert.equal(await servedHash(url), file.sha256);
});

test("pause stops sending, resume goes on", async () => {
  const file = await files.make("pause.bin", 16 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.3);
  await page.evaluate(() => task.pause());
  await page.waitForFunction(() => task.state === "paused");
  const sent = puts.length;
  await pause(1000);
  assert.equal(puts.length, sent);
  assert.equal(await page.evaluate(() => task.state), "paused");
  await throttle(page, 0);
  await page.evaluate(() => task.resume());
  await assertWhole(await ended(page), file);
});

test("abort gives the upload up at the server, too", async () => {
  const file = await files.make("abort.bin", 30 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.3);
  assert.equal((await server.uploads(file.name)).length, 1);
  await page.evaluate(() => task.abort());
  const log = await ended(page);
  assert.equal(log.error.kind, "aborted");
  assert.equal(log.error.name, "AbortError");
  assert.equal(log.states.at(-1), "aborted");
  await server.gaveUp(file.name);
});

test("abort during the first chunk, too", async () => {
  const file = await files.make("abort-early.bin", 8 * MB);
  await throttle(page, 50_000);
  await begin(page, file, { chunkSize: MIB });
  while (!(await server.uploads(file.name)).length) await pause(20);
  await page.evaluate(() => task.abort());
  assert.equal((await ended(page)).progress.at(-1).received, 0);
  await server.gaveUp(file.name);
});

test("abort with keep can be gone on with", async () => {
  const file = await files.make("keep.bin", 16 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.5);
  await page.evaluate(() => task.abort({ keep: true }));
  assert.equal((await ended(page)).error.kind, "aborted");
  puts.length = 0;
  await throttle(page, 0);
  await begin(page, file, { chunkSize: MIB });
  await assertWhole(await ended(page), file);
  assert.ok(dataBytes() < 0.7 * file.size, `${dataBytes()} bytes sent again`);
});

test("an upload that the server gave up begins again, and the bar does not run backwards", async () => {
  const file = await files.make("given-up.bin", 16 * MB);
  await throttle(page, 2 * MB);
  await begin(page, file, { chunkSize: MIB });
  await received(page, 0.3);
  const [upload] = await server.uploads(file.name);
  assert.equal((await fetch(upload.url, { method: "DELETE" })).status, 204);
  await throttle(page, 0);
  const log = await ended(page);
  await assertWhole(log, file);
  assert.ok(log.reasons.includes("upload_not_found"));
});

test("what the server asks for in Retry-After is waited for", async () => {
  const file = await files.make("retry-after.bin", 100_000);
  let refusedAt;
  let again;
  await page.route("**/retry-after.bin?*", async (route) => {
    if (route.request().method() !== "PUT") return route.continue();
    if (refusedAt) again ??= Date.now();
    else refusedAt = Date.now();
    if (again) return route.continue();
    const headers = { "Retry-After": "3", "Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After" };
    await route.fulfill({ status: 503, headers, json: { error: { kind: "storage_unavailable", message: "temporarily unavailable" } } });
  });
  await begin(page, file);
  await assertWhole(await ended(page), file);
  assert.ok(again - refusedAt >= 3000, `came back after ${again - refusedAt} ms`);
});
