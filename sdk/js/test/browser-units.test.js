// The decisions of the uploader, without a browser; and its size.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { UploadError } from "@gatepass/sdk/browser";
import { accepts } from "../dist/element/accept.js";
import { size } from "../dist/errors.js";
import { Progress } from "../dist/progress.js";
import { putBack, sum, takeFront } from "../dist/ranges.js";
import { delay, nextStep } from "../dist/retry.js";

test("the builds are as small as docs/browser.md says", () => {
  for (const [name, most] of Object.entries({ "browser.js": 6000, "browser.mjs": 6000, "element.js": 12_000 })) {
    const bytes = gzipSync(readFileSync(new URL(`../dist/script/${name}`, import.meta.url)), { level: 9 }).length;
    assert.ok(bytes < most, `${name} has ${bytes} bytes`);
  }
});

test("the element can be imported where there is no page", async () => {
  await import("@gatepass/sdk/element");
});

test("what `accept` names", () => {
  const photo = { name: "a.PNG", type: "image/png" };
  for (const yes of [null, "", "image/*", ".png", "image/png", "video/*, .png"]) assert.ok(accepts(yes, photo), yes);
  for (const no of ["video/*", ".jpg", "image/jpeg", "image"]) assert.ok(!accepts(no, photo), no);
});

test("ranges are taken from the front and put back in place", () => {
  const missing = [[0, 9], [20, 29]];
  assert.deepEqual(takeFront(missing, 4), [0, 3]);
  assert.deepEqual(takeFront(missing, 100), [4, 9]);
  assert.deepEqual(missing, [[20, 29]]);
  assert.deepEqual(putBack(missing, [4, 9]), [[4, 9], [20, 29]]);
  assert.deepEqual(putBack([[0, 3], [20, 29]], [4, 19]), [[0, 29]]);
  assert.equal(takeFront([], 4), undefined);
});

test("whatever fails in whatever order, the ranges cover the file once", () => {
  let seed = 7;
  const random = (most) => (seed = (seed * 48_271) % 2_147_483_647) % most;
  for (let run = 0; run < 200; run++) {
    const total = 1 + random(1000);
    const got = new Uint8Array(total);
    let missing = [[0, total - 1]];
    let onTheWay = [];
    while (missing.length || onTheWay.length) {
      const range = random(2) ? takeFront(missing, 1 + random(100)) : undefined;
      if (range) onTheWay.push(range);
      const ended = onTheWay.splice(random(onTheWay.length + 1), 1)[0];
      if (!ended) continue;
      if (random(3) === 0) missing = putBack(missing, ended);
      else for (let at = ended[0]; at <= ended[1]; at++) got[at]++;
      assert.equal(sum(missing) + sum(onTheWay) + got.reduce((all, one) => all + one), total);
    }
    assert.ok(got.every((times) => times === 1));
  }
});

test("progress never runs backwards, and tells when the server has more", () => {
  const shown = [];
  const progress = new Progress(100, (now) => shown.push([now.received, now.sent]));
  assert.equal(progress.update(10, 30), true);
  assert.equal(progress.update(10, 5), false);
  assert.equal(progress.update(0, 0), false);
  assert.equal(progress.update(15, 90), true);
  assert.equal(progress.update(100, 0), true);
  assert.deepEqual(shown, [[10, 40], [15, 100], [100, 100]]);
});

test("waits grow, differ, end at 30 s, and are never shorter than asked for", () => {
  assert.deepEqual([1, 2, 3].map((failures) => delay(failures, 0, 1)), [500, 1000, 2000]);
  assert.equal(delay(1, 0, 0), 250);
  assert.equal(delay(50, 0, 1), 30_000);
  assert.equal(delay(1, 60, 0), 60_000);
  assert.ok(new Set(Array.from({ length: 20 }, () => delay(3))).size > 10);
});

test("what follows a failure", () => {
  const at = (kind, status, situation) =>
    nextStep(new UploadError(kind, { status }), { begun: false, canSign: true, failures: 0, retries: 8, ...situation });
  assert.equal(at("network", 0), "wait");
  assert.equal(at("storage_unavailable", 503), "wait");
  assert.equal(at("storage_full", 507), "wait");
  assert.equal(at("body_incomplete", 400), "wait");
  assert.equal(at("network", 0, { failures: 8 }), "fail");
  assert.equal(at("internal", 500), "fail");
  assert.equal(at("policy_violation", 403), "fail");
  assert.equal(at("file_unreadable", 0), "fail");
  assert.equal(at("url_expired", 403), "sign");
  assert.equal(at("url_expired", 403, { failures: 2 }), "fail");
  assert.equal(at("url_expired", 403, { canSign: false }), "fail");
  assert.equal(at("upload_not_found", 404, { begun: true }), "restart");
  assert.equal(at("upload_expired", 410, { begun: true }), "restart");
  assert.equal(at("upload_not_found", 404), "fail");
});

test("sizes for people", () => {
  assert.deepEqual([0, 999, 1000, 2_000_000, 9_960_000, 12_345_678, 5e12].map(size), [
    "0 bytes", "999 bytes", "1 KB", "2 MB", "10 MB", "12 MB", "5 TB",
  ]);
});
