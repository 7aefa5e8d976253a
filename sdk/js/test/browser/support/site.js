// An app as a user of the package would write it: a page, and a route that signs.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { Signer } from "@gatepass/sdk/server";
import { KEY } from "../../../../../tests/browser/gatepass.js";

const TYPES = { html: "text/html", js: "text/javascript", mjs: "text/javascript" };
const PACKAGE = new URL("../../../", import.meta.url);

/** Serves `/dist/...`, `pages` by path, and `POST /sign`, which answers as `site.sign` decides. */
export async function startSite(publicUrl, pages = {}) {
  const signer = new Signer({ key: KEY, publicUrl });
  const site = {
    signer,
    signed: 0,
    /** The headers of the last request to sign. */
    asked: {},
    sign: ({ name }) => signer.signUpload(name),
    /** The last form that was sent, by path. */
    forms: {},
    close: () => server.close(),
  };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://site").pathname;
    const text = await answer(request, path).catch((error) => error);
    const failed = text instanceof Error;
    response.writeHead(failed ? 500 : 200, { "Content-Type": TYPES[path.split(".").at(-1)] ?? "text/html", "Cache-Control": "no-store" });
    response.end(failed ? String(text) : text);
  });
  const answer = async (request, path) => {
    if (path === "/sign") {
      site.signed++;
      site.asked = request.headers;
      return JSON.stringify({ url: await site.sign(JSON.parse((await bodyOf(request)) || "{}"), site.signed) });
    }
    if (path === "/favicon.ico") return "";
    if (request.method === "POST") {
      site.forms[path] = new URLSearchParams(await bodyOf(request));
      return "received";
    }
    return pages[path] ?? (await readFile(new URL(`.${path}`, PACKAGE)));
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  site.url = `http://127.0.0.1:${server.address().port}`;
  return site;
}

async function bodyOf(request) {
  let text = "";
  for await (const part of request) text += part;
  return text;
}
