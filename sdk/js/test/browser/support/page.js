// The page that the tests of `upload` drive, and what they ask of it.
import assert from "node:assert/strict";
import { servedHash } from "./files.js";

export const PAGE = `<!doctype html><title>upload</title>
<input type="file" id="file">
<script src="/dist/script/browser.js"></script>
<script>
  const sign = async (file) => {
    const answer = await fetch("/sign", { method: "POST", body: JSON.stringify({ name: file.name, size: file.size, type: file.type }) });
    return (await answer.json()).url;
  };
  function begin(options) {
    const file = document.querySelector("#file").files[0];
    const log = (window.log = { states: [], progress: [], reasons: [] });
    if (!options.url) options.getUrl = sign;
    window.task = Gatepass.upload(file, {
      ...options,
      onProgress: (progress) => log.progress.push(progress),
      onState: (state, error) => (log.states.push(state), error && log.reasons.push(error.kind)),
    });
    task.then(
      (result) => (log.result = result),
      ({ kind, message, name, status }) => (log.error = { kind, message, name, status }),
    );
  }
</script>`;

/** Chooses the file and begins; what is sent is counted by the kind of request. */
export async function begin(page, file, options = {}) {
  await page.setInputFiles("#file", file.path);
  await page.evaluate((options) => begin(options), options);
}

/** Waits until the upload has ended; its log. */
export async function ended(page, timeout = 240_000) {
  await page.waitForFunction(() => log.result || log.error, null, { timeout });
  return page.evaluate(() => log);
}

/** Waits until the server has this share of the file. */
export async function received(page, share) {
  await page.waitForFunction((share) => log.error || (log.progress.at(-1)?.received ?? 0) >= share * log.progress.at(-1)?.total, share);
}

/** The file is served byte for byte, and the progress told the truth. */
export async function assertWhole(log, file) {
  assert.equal(log.error, undefined, JSON.stringify(log));
  assert.equal(log.result.file.filesize, file.size);
  assert.match(log.result.receipt, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  assert.equal(await servedHash(log.result.file.url), file.sha256);
  assertMonotonic(log.progress, file.size);
  assert.equal(log.progress.at(-1).received, file.size);
  assert.equal(log.states.at(-1), "done");
}

export function assertMonotonic(progress, total) {
  let before = { received: 0, sent: 0 };
  for (const now of progress) {
    assert.ok(now.received >= before.received, `received went from ${before.received} to ${now.received}`);
    assert.ok(now.sent >= before.sent, `sent went from ${before.sent} to ${now.sent}`);
    assert.ok(now.received <= now.sent && now.sent <= total, `${now.received} <= ${now.sent} <= ${total}`);
    before = now;
  }
}

/** Records the PUTs of a page: `{range, bytes}`. */
export function watchPuts(page) {
  const puts = [];
  page.on("request", (request) => {
    if (request.method() !== "PUT") return;
    const range = request.headers()["content-range"];
    const [, first, last] = /^bytes (\d+)-(\d+)\//.exec(range) ?? [];
    puts.push({ range, bytes: last === undefined ? 0 : last - first + 1, url: request.url() });
  });
  return puts;
}
