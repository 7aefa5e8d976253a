// <gatepass-upload> in Chromium: what it does, by mouse, keyboard and screen reader.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, throttle } from "./support/browser.js";
import { ELEMENT_PAGE, STRICT_PAGE } from "./support/element-page.js";
import { fileStore, servedHash } from "./support/files.js";
import { PATIENCE } from "./support/fixture.js";
import { startGatepass } from "../../../../tests/browser/gatepass.js";
import { startSite } from "./support/site.js";

const MB = 1_000_000;

let server, site, browser, files, context, page;

before(async () => {
  server = await startGatepass();
  site = await startSite(server.url, { "/": ELEMENT_PAGE, "/strict": STRICT_PAGE });
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
  context = await browser.newContext({ reducedMotion: "reduce" });
  context.setDefaultTimeout(PATIENCE);
  page = await context.newPage();
  await page.goto(site.url);
  site.sign = ({ name }) => site.signer.signUpload(name);
});

afterEach(() => context.close());

const choose = (...chosen) => page.locator("input[type=file]").setInputFiles(chosen.map((file) => file.path));
const row = (name) => page.getByRole("listitem").filter({ hasText: name.replace(/\.\w+$/, "") });
const state = (name, state) => page.locator(`li[data-state=${state}]`).filter({ hasText: name.replace(/\.\w+$/, "") }).waitFor();
const said = (text) => page.waitForFunction((text) => said.some((one) => one.includes(text)), text);
const button = (name) => page.getByRole("button", { name, exact: true });
const heard = (name) => page.evaluate((name) => heard.filter((event) => event.name === name), name);
const valid = () => page.locator("form").evaluate((form) => form.checkValidity());
const focused = () => page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.getAttribute("aria-label") ?? document.activeElement.shadowRoot?.activeElement?.className);
const set = (attributes) =>
  page.locator("gatepass-upload").evaluate((element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }, attributes);

test("files that are chosen are uploaded; the form gets their receipts", async () => {
  const chosen = [await files.make("one.bin", MB), await files.make("two.bin", 10 * MB), await files.make("three.bin", 10), await files.make("four.bin", 11)];
  await choose(...chosen);
  for (const { name } of chosen) await state(name, "done");
  const done = await heard("upload-done");
  assert.deepEqual(done.map((event) => event.file).sort(), chosen.map((file) => file.name).sort());
  for (const { file, url } of done) assert.equal(await servedHash(url), chosen.find(({ name }) => name === file).sha256);
  const receipts = await page.locator("form").evaluate((form) => new FormData(form).getAll("receipt"));
  const paths = await Promise.all(receipts.map(async (receipt) => (await site.signer.verifyReceipt(receipt)).path));
  assert.deepEqual(paths.sort(), chosen.map((file) => file.name).sort());
});

test("files that are dropped are uploaded", async () => {
  const data = await page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["dropped"], "dropped.txt", { type: "text/plain" }));
    return data;
  });
  const zone = page.locator(".zone");
  await zone.dispatchEvent("dragenter", { dataTransfer: data });
  assert.match(await zone.innerText(), /Let go to upload/);
  await zone.dispatchEvent("drop", { dataTransfer: data });
  assert.match(await zone.innerText(), /Choose files/);
  await state("dropped.txt", "done");
  assert.equal(await (await fetch(`${server.url}/dropped.txt`)).text(), "dropped");
});

test("the keyboard alone is enough, and the focus is never lost", async () => {
  // The driver takes choosers over from the first listener on, but not at once.
  page.on("filechooser", () => {});
  const big = await files.make("keys.bin", 100 * MB);
  await throttle(page, 2 * MB);
  await set({ "chunk-size": "1048576" });
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "zone");
  const chooser = page.waitForEvent("filechooser");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles([big.path, (await files.make("next.bin", 100)).path]);
  await state("keys.bin", "uploading");
  await state("next.bin", "done");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Pause keys.bin");
  await page.keyboard.press("Enter");
  await state("keys.bin", "paused");
  assert.equal(await focused(), "Go on with keys.bin", "the button in its place");
  await page.keyboard.press("Space");
  await state("keys.bin", "uploading");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Cancel keys.bin");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Remove next.bin", "the neighbour");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "zone");
  assert.equal(await page.getByRole("listitem").count(), 0);
  await server.gaveUp("keys.bin");
});

test("a screen reader hears what happens, and can ask how far it is", async () => {
  const file = await files.make("heard.bin", 6 * MB);
  await throttle(page, MB / 2);
  await set({ "chunk-size": "1048576" });
  await choose(file);
  await said("Uploading heard.bin");
  await page.getByRole("status").filter({ hasText: "Uploading heard.bin" }).waitFor({ state: "attached" });
  await page.waitForFunction(() => Number(document.querySelector("gatepass-upload").shadowRoot.querySelector("[role=progressbar]").getAttribute("aria-valuenow")) > 30);
  assert.match(await page.getByRole("progressbar", { name: "heard.bin" }).getAttribute("aria-valuetext"), /^\d+ %$/);
  await throttle(page, 0);
  await said("heard.bin is uploaded");
  await button("Remove heard.bin").click();
  await said("heard.bin was removed");
});

test("what cannot be taken is told at once, and by the server at last", async () => {
  await set({ accept: ".bin,image/*", "max-size": "2000" });
  await choose(await files.make("wrong.pdf", 10), await files.make("large.bin", 3000));
  await state("wrong.pdf", "failed");
  assert.match(await row("wrong.pdf").innerText(), /This type of file is not accepted here\./);
  assert.match(await row("large.bin").innerText(), /The file is too large: at most 2 KB are accepted\./);
  site.sign = ({ name }) => site.signer.signUpload(name, { type: "image/*" });
  await choose(await files.make("sneaky.bin", 500));
  await state("sneaky.bin", "failed");
  await said("sneaky.bin could not be uploaded. This type of file is not accepted here.");
  assert.equal(await button("Try again sneaky.bin").count(), 0, "no use");
  assert.deepEqual((await heard("upload-error")).map((event) => event.kind), ["policy_violation", "too_large", "policy_violation"]);
});

test("a failed file is tried again where it stopped", async () => {
  const file = await files.make("again.bin", 6 * MB);
  await page.locator("gatepass-upload").evaluate((element) => (element.options = { retries: 1, chunkSize: 1_048_576 }));
  await throttle(page, MB / 2);
  await choose(file);
  await page.waitForFunction(() => heard.some((event) => event.sent > 2_000_000));
  await server.kill();
  await state("again.bin", "failed");
  assert.match(await row("again.bin").innerText(), /The connection was lost\. Try again to go on where it stopped\./);
  await server.start();
  await throttle(page, 0);
  await button("Try again again.bin").click();
  await state("again.bin", "done");
  assert.equal(await servedHash(`${server.url}/again.bin`), file.sha256);
  const sent = (await heard("upload-progress")).map((event) => event.sent);
  assert.deepEqual(sent, sent.toSorted((a, b) => a - b), "the bar never runs backwards");
});

test("a form waits for its files", async () => {
  const file = await files.make("form.bin", 3 * MB);
  assert.equal(await valid(), true);
  await throttle(page, 400_000);
  await choose(file);
  await state("form.bin", "uploading");
  assert.equal(await valid(), false);
  await throttle(page, 0);
  await state("form.bin", "done");
  assert.equal(await valid(), true);
  await set({ required: "" });
  assert.equal(await valid(), true);
  await page.locator("form").evaluate((form) => form.reset());
  assert.equal(await page.getByRole("listitem").count(), 0);
  assert.equal(await valid(), false);
});

test("an element that is moved goes on, one that is taken out and put back too", async () => {
  const file = await files.make("moved.bin", 6 * MB);
  await set({ "chunk-size": "1048576" });
  await throttle(page, MB / 2);
  await choose(file);
  await state("moved.bin", "uploading");
  const stopped = await page.locator("gatepass-upload").evaluate(async (element) => {
    const seen = new Set();
    const item = element.shadowRoot.querySelector("li");
    new MutationObserver(() => seen.add(item.dataset.state)).observe(item, { attributes: true });
    document.body.append(element);
    await new Promise((later) => setTimeout(later, 300));
    const stopped = seen.has("waiting");
    element.remove();
    await new Promise((later) => setTimeout(later, 300));
    document.querySelector("form").append(element);
    return stopped;
  });
  assert.equal(stopped, false);
  await throttle(page, 0);
  await state("moved.bin", "done");
  assert.equal(await servedHash(`${server.url}/moved.bin`), file.sha256);
});

test("texts, colours and the scheme are the page's", async () => {
  await page.addStyleTag({ content: "gatepass-upload { --gatepass-accent: rgb(200, 0, 100) } gatepass-upload::part(zone) { border-width: 7px }" });
  const style = (property, selector = ".zone") => page.locator(selector).evaluate((element, property) => getComputedStyle(element)[property], property);
  assert.equal(await style("color", ".zone b"), "rgb(200, 0, 100)");
  assert.equal(await style("borderTopWidth"), "7px");
  assert.equal(await style("backgroundColor"), "rgb(255, 255, 255)");
  await set({ theme: "dark" });
  assert.equal(await style("backgroundColor"), "rgb(27, 31, 39)");
  await page.locator("gatepass-upload").evaluate((element) => (element.texts = { chooseSeveral: "Dateien wählen" }));
  await page.getByRole("button", { name: /Dateien wählen/ }).waitFor();
  await set({ disabled: "" });
  assert.equal(await page.locator(".zone").isDisabled(), true);
});

test("a token against forgery goes to the page's own origin, and other headers as they are given", async () => {
  const upload = async (name) => {
    await choose(await files.make(name, 10));
    await state(name, "done");
    return site.asked;
  };
  await page.evaluate(() => document.head.insertAdjacentHTML("beforeend", '<meta name="csrf-token" content="of the page">'));
  await set({ "sign-headers": '{"X-CSRFToken": "of the attribute"}' });
  const asked = await upload("attribute.bin");
  assert.deepEqual([asked["x-csrf-token"], asked["x-csrftoken"]], ["of the page", "of the attribute"]);
  await page.locator("gatepass-upload").evaluate((element) => {
    let times = 0;
    element.signHeaders = async () => ({ "X-CSRF-Token": `${++times} of the property` });
  });
  await upload("property.bin");
  const last = await upload("property2.bin");
  assert.deepEqual([last["x-csrf-token"], last["x-csrftoken"]], ["2 of the property", undefined]);
  const { element, sent } = await elsewhere();
  await element.setInputFiles((await files.make("elsewhere.bin", 10)).path);
  await state("elsewhere.bin", "done");
  assert.deepEqual(await sent, { token: undefined });
});

/** The element asks another origin to sign, from a page with a token. */
async function elsewhere() {
  const other = site.url.replace("127.0.0.1", "localhost");
  let tell;
  const sent = new Promise((told) => (tell = told));
  await page.route(`${other}/sign`, async (route) => {
    const headers = { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*" };
    if (route.request().method() === "OPTIONS") return route.fulfill({ headers });
    tell({ token: route.request().headers()["x-csrf-token"] });
    await route.fulfill({ headers, json: { url: await site.signer.signUpload("elsewhere.bin") } });
  });
  await page.locator("gatepass-upload").evaluate((element, url) => {
    element.signHeaders = undefined;
    element.setAttribute("sign-headers", "{}");
    element.setAttribute("sign-url", url);
  }, `${other}/sign`);
  return { element: page.locator("input[type=file]"), sent };
}

test("a strict Content Security Policy forbids nothing that it needs", async () => {
  const problems = [];
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  await page.goto(`${site.url}/strict`);
  const png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPhfDwAChAGAZ0+5aQAAAABJRU5ErkJggg==";
  await page.locator("input[type=file]").setInputFiles([{ name: "strict.png", mimeType: "image/png", buffer: Buffer.from(png, "base64") }]);
  await state("strict.png", "done");
  await page.locator(".thumbnail img").waitFor();
  assert.equal(await page.locator(".zone").evaluate((zone) => getComputedStyle(zone).borderTopStyle), "dashed");
  assert.deepEqual(problems, []);
});
