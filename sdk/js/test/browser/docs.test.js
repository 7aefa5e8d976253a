// The code of docs/browser.md does what the page says.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { build } from "esbuild";
import { launch } from "./support/browser.js";
import { codeAfter } from "./support/docs.js";
import { PATIENCE } from "./support/fixture.js";
import { KEY, startGatepass } from "../../../../tests/browser/gatepass.js";
import { startSite } from "./support/site.js";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPhfDwAChAGAZ0+5aQAAAABJRU5ErkJggg==";
const photo = { name: "photo.png", mimeType: "image/png", buffer: Buffer.from(PNG, "base64") };

let server, site, browser, page, folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "gatepass-docs-"));
  server = await startGatepass();
  const script = (name) => codeAfter(name).replaceAll("/gatepass/", "/dist/script/");
  site = await startSite(server.url, {
    "/bundled": `<!doctype html><input type=file id=input><progress id=bar></progress>
      <script>input.onchange = () => import("/bundled.js")</script>`,
    "/bundled.js": await bundled(`${codeAfter("## With a bundler")}\ndocument.title = file.url + " " + receipt;`),
    "/script": script("## With a script tag"),
    "/tokens": `<title>tokens</title>${template("### Tokens against forgery")}<script src="/dist/script/element.js"></script>`,
    "/element": `${script("## The element")}<style>${codeAfter("## The element", 1)}</style>`,
  });
  // The documented route, in place of the test's own.
  process.env.GATEPASS_API_KEY = KEY;
  process.env.GATEPASS_PUBLIC_URL = server.url;
  const route = join(folder, "route.mjs");
  await writeFile(route, await bundled(codeAfter("## The route that signs")));
  const { sign } = await import(route);
  site.sign = async () => (await sign({ id: 7 })).url;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
});
afterEach(() => page.close());

/** A template of Django's, as it comes to the page. */
function template(heading) {
  return codeAfter(heading).replace("{{ csrf_token }}", "of Django");
}

async function bundled(contents) {
  const stdin = { contents, resolveDir: new URL("../..", import.meta.url).pathname };
  return (await build({ stdin, bundle: true, write: false, format: "esm" })).outputFiles[0].text;
}

async function assertPhoto(url) {
  assert.match(url, /\/users\/7\/[\w-]{36}$/);
  assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), photo.buffer);
}

test("with a bundler", async () => {
  await page.goto(`${site.url}/bundled`);
  await page.setInputFiles("#input", photo);
  await page.waitForFunction(() => document.title);
  const [url, receipt] = (await page.title()).split(" ");
  await assertPhoto(url);
  assert.ok(url.endsWith((await site.signer.verifyReceipt(receipt)).path));
  assert.equal(await page.locator("#bar").evaluate((bar) => bar.value), 1);
});

test("with a script tag", async () => {
  await page.goto(`${site.url}/script`);
  await page.setInputFiles("#input", photo);
  const image = page.locator("img");
  await image.waitFor();
  await assertPhoto(await image.getAttribute("src"));
});

test("the element, in its form, with the colours of the page", async () => {
  await page.goto(`${site.url}/element`);
  const zone = page.locator(".zone");
  assert.equal(await zone.evaluate((zone) => getComputedStyle(zone).minHeight), "160px");
  assert.equal(await zone.locator("b").evaluate((b) => getComputedStyle(b).color), "rgb(122, 46, 142)");
  await page.locator("input[type=file]").setInputFiles(photo);
  await page.locator("li[data-state=done]").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("received").waitFor();
  const claims = await site.signer.verifyReceipt(site.forms["/profile"].get("photo"));
  await assertPhoto(`${server.url}/${claims.path}`);
});

test("the element, with a token against forgery", async () => {
  await page.goto(`${site.url}/tokens`);
  await page.locator("input[type=file]").setInputFiles(photo);
  await page.locator("li[data-state=done]").waitFor();
  assert.equal(site.asked["x-csrftoken"], "of Django");
  await page.evaluate(`{
    const element = document.querySelector("gatepass-upload");
    const token = async () => "of the app";
    ${codeAfter("### Tokens against forgery", 1)}
  }`);
  await page.locator("input[type=file]").setInputFiles({ ...photo, name: "second.png" });
  await page.locator("li[data-state=done]").filter({ hasText: "second" }).waitFor();
  assert.equal(site.asked.authorization, "Bearer of the app");
});
