// The React hook in Chromium: the component of docs/browser.md, bundled as an app would.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { build } from "esbuild";
import { launch, throttle } from "./support/browser.js";
import { codeAfter } from "./support/docs.js";
import { fileStore, servedHash } from "./support/files.js";
import { PATIENCE } from "./support/fixture.js";
import { startGatepass } from "../../../../tests/browser/gatepass.js";
import { startSite } from "./support/site.js";

const MB = 1_000_000;

let server, site, browser, files, page;

before(async () => {
  server = await startGatepass();
  site = await startSite(server.url, { "/": "<!doctype html><div id=root></div><script src=/app.js></script>", "/app.js": await app() });
  site.sign = () => site.signer.signUpload("react.bin");
  browser = await launch();
  files = await fileStore();
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
});

after(async () => {
  await browser?.close();
  site?.close();
  await server?.stop();
  await files?.remove();
});

async function app() {
  const component = codeAfter("## With React");
  const contents = `
    import { StrictMode, useState } from "react";
    import { createRoot } from "react-dom/client";
    ${component.replaceAll("useUpload({", "useUpload({ chunkSize: 1_048_576,")}
    function App() {
      const [shown, show] = useState(true);
      return <><button onClick={() => show(!shown)}>toggle</button>{shown && <Photo />}</>;
    }
    createRoot(document.querySelector("#root")).render(<StrictMode><App /></StrictMode>);`;
  const stdin = { contents, loader: "jsx", resolveDir: new URL("../..", import.meta.url).pathname };
  const built = await build({ stdin, bundle: true, write: false, jsx: "automatic", define: { "process.env.NODE_ENV": '"development"' } });
  return built.outputFiles[0].text;
}

test("a component uploads, pauses, goes on after it was gone, and shows the end", async () => {
  const file = await files.make("react.bin", 16 * MB);
  const puts = [];
  page.on("request", (request) => request.method() === "PUT" && puts.push(request.headers()["content-range"]));
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  await page.goto(site.url);
  await throttle(page, 1.5 * MB);
  const input = page.locator("input[type=file]");
  await input.setInputFiles(file.path);
  await page.waitForFunction(() => document.querySelector("progress")?.value > 0.3);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForFunction(() => document.querySelector("progress")?.value > 0.6);
  await page.getByRole("button", { name: "toggle" }).click();
  await page.waitForFunction(() => !document.querySelector("input[type=file]"));
  await page.getByRole("button", { name: "toggle" }).click();
  puts.length = 0;
  await input.setInputFiles(file.path);
  const link = page.getByRole("link");
  await link.waitFor();
  assert.equal(await servedHash(await link.getAttribute("href")), file.sha256);
  const again = puts.filter((range) => !range.startsWith("bytes */")).length;
  assert.ok(again <= 10, `${again} chunks were sent again`);
  assert.deepEqual(problems, []);
});

test("a failure is shown and can be tried again", async () => {
  const file = await files.make("react.bin", 1000, 2);
  site.sign = () => Promise.reject(new Error("no key"));
  await page.goto(site.url);
  await page.locator("input[type=file]").setInputFiles(file.path);
  await page.getByRole("alert").filter({ hasText: "This site gave no permission to upload." }).waitFor();
  site.sign = () => site.signer.signUpload("react.bin");
  await page.getByRole("button", { name: "Try again" }).click();
  const link = page.getByRole("link");
  await link.waitFor();
  assert.equal(await servedHash(await link.getAttribute("href")), file.sha256);
});
