// What somebody does on the page of an app, and what an attacker does.
import assert from "node:assert/strict";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPhfDwAChAGAZ0+5aQAAAABJRU5ErkJggg==";
export const photo = { name: "photo.png", mimeType: "image/png", buffer: Buffer.from(PNG, "base64") };

/** A file that is uploaded through the page is on the page, and served byte for byte. */
export async function uploads(page, url) {
  await page.goto(url);
  await choose(page);
  const link = page.locator("ul a");
  await link.waitFor();
  const file = await link.getAttribute("href");
  assert.match(new URL(file).pathname, /^\/users\/7\/[\w-]{36}$/);
  assert.deepEqual(Buffer.from(await (await fetch(file)).arrayBuffer()), photo.buffer);
  await page.locator("ul img").evaluate((image) => image.decode());
  await listed(page, url, 1);
}

/** A page that hands in another receipt is refused, and nothing more is on the page. */
export async function refuses(page, url, gatepass, forge) {
  const handedIn = [];
  await page.route(`${gatepass.url}/**`, async (route) => {
    // Uploads only: the page is left while images of it are still on their way.
    if (route.request().method() !== "PUT") return route.fallback();
    const response = await route.fetch();
    const headers = { ...response.headers() };
    if (headers["gatepass-receipt"]) {
      headers["gatepass-receipt"] = forge(headers["gatepass-receipt"]);
      handedIn.push(headers["gatepass-receipt"]);
    }
    await route.fulfill({ response, headers });
  });
  await page.goto(url);
  await choose(page);
  await page.getByText("The receipt was refused.").waitFor();
  assert.equal(handedIn.length, 1);
  await page.unrouteAll({ behavior: "wait" });
  await listed(page, url, 1);
}

async function choose(page) {
  await page.locator("input[type=file]").setInputFiles(photo);
  const save = page.getByRole("button", { name: "Save" });
  if (!(await save.count())) return;
  await page.locator("li[data-state=done]").waitFor();
  await save.click();
}

async function listed(page, url, count) {
  await page.goto(url);
  assert.equal(await page.locator("ul a").count(), count);
}

/** A receipt that says more than it did, under the signature it had. */
export function changed(receipt) {
  const [header, payload, signature] = receipt.split(".");
  const claims = { ...JSON.parse(Buffer.from(payload, "base64url")), size: 1, sub: "file_forged" };
  return [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
}

/** The receipt of another user's upload: signed by the service, and not this user's. */
export async function somebodyElses(gatepass) {
  const answer = await fetch(gatepass.sign("users/8/photo.png", "put"), { method: "PUT", body: photo.buffer });
  return answer.headers.get("Gatepass-Receipt");
}
