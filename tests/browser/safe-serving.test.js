// What was uploaded runs no script, however a browser is led to it.
//
// Three headers see to that, and each is tested alone: a proxy between browser and server takes the
// others away. With all three taken away, and the types that the uploader declared, the scripts do
// run; so the test sees what it is looking for.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launchChromium } from "./chromium.js";
import { startGatepass } from "./gatepass.js";
import { helpers, hostile, names, ranIn, scripts } from "./hostile.js";

const uploads = [...hostile, ...helpers, ...scripts];
// A script that runs does so before its page has loaded; this is for the ones in frames.
const settle = 300;
const closing = [];
let gatepass, browser;

before(async () => {
  gatepass = await startGatepass();
  closing.push(gatepass.stop);
  browser = await launchChromium();
  closing.push(() => browser.close());
  for (const { name, type, content } of uploads) {
    const headers = { "Content-Type": type };
    const answer = await fetch(gatepass.sign(name, "put"), { method: "PUT", headers, body: content });
    assert.equal(answer.status, 201, name);
  }
});

after(async () => {
  for (const close of closing.reverse()) await close();
});

test("as it is served, everything that could run is a download, and nothing runs", async () => {
  const { ran, downloads } = await visitAll(gatepass.url);
  assert.deepEqual(ran, []);
  // The polyglots are pictures by their first bytes, and shown as such.
  const shown = hostile.map(({ name }) => name).filter((name) => !downloads.includes(name));
  assert.deepEqual(shown, ["polyglot.png", "polyglot.gif"]);
});

test("the sandbox alone lets nothing run, though all is shown", async () => {
  const origin = await proxy((headers, upload) => {
    delete headers["content-disposition"];
    delete headers["x-content-type-options"];
    headers["content-type"] = careless(upload);
  });
  const { ran, downloads } = await visitAll(origin);
  assert.deepEqual(ran, []);
  assert.deepEqual(downloads, []);
});

test("the disposition alone lets nothing run", async () => {
  const origin = await proxy((headers) => {
    delete headers["content-security-policy"];
    delete headers["x-content-type-options"];
  });
  assert.deepEqual((await visitAll(origin)).ran, []);
});

test("no sniffing: words are no script for a page that trusts this host", async () => {
  assert.deepEqual(await embedScripts(gatepass.url), []);
  const sniffed = await proxy((headers) => delete headers["x-content-type-options"]);
  const all = scripts.map(({ name }) => name).sort();
  assert.deepEqual(await embedScripts(sniffed, all), all);
});

test("without these headers every one of the scripts runs", async () => {
  const origin = await proxy((headers, upload) => {
    delete headers["content-disposition"];
    delete headers["content-security-policy"];
    delete headers["x-content-type-options"];
    headers["content-type"] = careless(upload);
  });
  const optional = hostile.filter(({ mayBeGone }) => mayBeGone).map(({ name }) => name);
  const expected = hostile.map(({ name }) => name).filter((name) => !optional.includes(name));
  const { ran } = await visitAll(origin, expected);
  assert.deepEqual(ran.filter((name) => !optional.includes(name)), expected.sort());
});

test("a name for a download stays a name", async () => {
  const page = await browser.newPage();
  for (const name of names) {
    const url = gatepass.sign("page.html", "get", `&download=${encode(name)}`);
    const answer = await fetch(url);
    assert.equal(answer.status, 200, name);
    assert.equal(answer.headers.get("x-evil"), null);
    const download = page.waitForEvent("download");
    await page.goto(url).catch(() => {});
    const suggested = (await download).suggestedFilename();
    assert.doesNotMatch(suggested, /^evil|[/\\]/, name);
    assert.ok(suggested.startsWith(name.slice(0, 1)) || /^[_%-]/.test(suggested), `${name} became ${suggested}`);
  }
  await page.close();
});

/** As browsers write a query: they would encode the apostrophe after it was signed. */
function encode(text) {
  return encodeURIComponent(text).replaceAll("'", "%27");
}

/** Goes to every hostile file, then opens a page that frames and embeds them all. Waits for `expected`. */
async function visitAll(origin, expected) {
  const context = await browser.newContext();
  context.setDefaultTimeout(120_000);
  const { page, ran } = await listeningPage(context);
  const downloads = [];
  page.on("download", (download) => downloads.push(new URL(download.url()).pathname.slice(1)));
  for (const { name } of hostile) {
    const download = page.waitForEvent("download", { timeout: 60_000 });
    download.catch(() => {});
    // A download ends the navigation; the error says no more than that.
    const shown = await page.goto(`${origin}/${name}`).then(() => true, () => false);
    if (!shown) await download;
  }
  const navigated = [...downloads];
  const elements = hostile.flatMap(({ name }) => {
    const url = `${origin}/${name}`;
    return [`<iframe src="${url}"></iframe>`, `<object data="${url}"></object>`, `<embed src="${url}">`, `<img src="${url}">`];
  });
  await open(page, elements);
  await settled(page, ran, expected);
  await context.close();
  return { ran: [...ran].sort(), downloads: navigated };
}

async function embedScripts(origin, expected) {
  const context = await browser.newContext();
  context.setDefaultTimeout(120_000);
  const { page, ran } = await listeningPage(context);
  await open(page, scripts.map(({ name }) => `<script src="${origin}/${name}"></script>`));
  await settled(page, ran, expected);
  await context.close();
  return [...ran].sort();
}

async function listeningPage(context) {
  const page = await context.newPage();
  const ran = new Set();
  page.on("console", (message) => {
    const name = ranIn(message.text());
    if (name) ran.add(name);
  });
  return { page, ran };
}

/** A page of some app with these elements, on an origin of its own. */
async function open(page, elements) {
  const app = await listen((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>app</title>${elements.join("\n")}`);
  });
  await page.goto(app);
}

/** Waits until what is expected to run has, or for a while where nothing should. */
async function settled(page, ran, expected) {
  const until = Date.now() + (expected ? 60_000 : settle);
  while (Date.now() < until && !expected?.every((name) => ran.has(name))) await page.waitForTimeout(20);
}

function careless({ type, careless: other }) {
  return other ?? type;
}

/** The server as it would be with other headers on what was uploaded. */
function proxy(change) {
  return listen(async (request, response) => {
    const upload = uploads.find(({ name }) => request.url === `/${name}`);
    if (!upload) return response.writeHead(404).end();
    const answer = await fetch(`${gatepass.url}${request.url}`);
    const headers = Object.fromEntries(answer.headers);
    change(headers, upload);
    response.writeHead(answer.status, headers).end(Buffer.from(await answer.arrayBuffer()));
  });
}

async function listen(respond) {
  const server = createServer(respond).listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${server.address().port}`;
}
