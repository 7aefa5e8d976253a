// docs/guide.md, followed from an empty directory: its commands and programs as they stand there.
// Building (its first block) is what runs before the tests.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { launchChromium } from "../browser/chromium.js";
import { freePort } from "../browser/free-port.js";
import { codes } from "../docs/snippets.js";
import { start } from "./app.js";
import { uploads } from "./drive.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const binary = process.env.GATEPASS_BIN ?? join(root, "target/debug/gatepass");
const run = promisify(execFile);
let folder, bin, env, service, publicUrl, browser;

before(async () => {
  bin = await mkdtemp(join(tmpdir(), "gatepass-bin-"));
  await symlink(binary, join(bin, "gatepass"));
  folder = await mkdtemp(join(tmpdir(), "gatepass-guide-"));
  const listen = `127.0.0.1:${await freePort()}`;
  publicUrl = `http://${listen}`;
  env = {
    PATH: `${bin}:${process.env.PATH}`,
    GATEPASS_SOURCE: root,
    GATEPASS_LISTEN: listen,
    GATEPASS_PUBLIC_URL: publicUrl,
  };
  // The service answers its own port, not the one that apps are told.
  const [, serve] = shell("## Start the service", 2);
  service = await start(serve, folder, { ...env, GATEPASS_API_LISTEN: "127.0.0.1:0" }, { url: `${publicUrl}/.well-known/gatepass/readyz` });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await service?.stop();
  for (const made of [folder, bin]) await rm(made, { recursive: true, force: true });
});

const NEXT = ["gatepass.js", "sign/route.js", "photo.js", "actions.js", "page.js", "layout.js"];

for (const [heading, language, example, names] of [
  ["Express", "js", "express", ["server.js"]],
  ["Next.js", "js", "nextjs", NEXT.map((name) => `app/${name}`)],
  ["FastAPI", "python", "fastapi", ["app.py"]],
]) {
  test(`${heading}, from the empty directory to a file on the page`, (t) => follow(t, heading, language, example, names));
}

test("what is private is read by signed URLs only", async () => {
  const [make, sign] = shell("## Serve", 2);
  await inFolder(folder, ". ./key.sh; echo photo > photo; gatepass put photo users/7/photo");
  await inFolder(folder, make);
  // A running service notices it within 2 s.
  await until(async () => (await fetch(`${publicUrl}/users/7/photo`)).status === 401);
  const [read, download] = (await inFolder(folder, sign)).match(/http\S+/g);
  const [shown, saved] = [await fetch(read), await fetch(download)];
  assert.equal(await shown.text(), "photo\n");
  assert.match(saved.headers.get("Content-Disposition"), /^attachment.*photo\.png/);
});

test("a large file, and one from a server", async () => {
  await inFolder(folder, ...shell("## Large files", 1));
  await inFolder(folder, ...shell("## From a server", 1));
  const sent = await readFile(join(folder, "video.bin"));
  for (const path of ["videos/1.bin", "reports/1.bin"]) {
    assert.ok(sent.equals(Buffer.from(await (await fetch(`${publicUrl}/${path}`)).arrayBuffer())), path);
  }
});

test("a key that can do no more than the app needs", async () => {
  const key = (await inFolder(folder, ...shell("## Who can do what", 1))).match(/gp_\S+/)[0];
  const put = (path) => inFolder(folder, `GATEPASS_API_KEY=${key}; export GATEPASS_API_KEY; gatepass put photo "$(gatepass sign put ${path})"`);
  await until(() => put("users/7/limited").then(() => true, () => false));
  await assert.rejects(put("reports/2.bin"), /scope_insufficient/);
});

/** Writes the example's programs as the page shows them, between its two blocks of commands. */
async function follow(t, heading, language, example, names) {
  const started = Date.now();
  const [prepare, serve] = shell(`### ${heading}`, 2);
  const programs = codes("docs/guide.md", `### ${heading}`, language);
  assert.equal(programs.length, names.length);
  const app = await mkdtemp(join(tmpdir(), "gatepass-app-"));
  let running;
  // In this order: what runs still writes.
  t.after(async () => {
    await running?.stop();
    await rm(app, { recursive: true, force: true, maxRetries: 5 });
  });
  await cp(join(folder, "key.sh"), join(app, "key.sh"));
  await inFolder(app, prepare);
  for (const [at, name] of names.entries()) {
    const same = await readFile(join(root, "examples", example, name), "utf8");
    assert.equal(programs[at], same, `${name} is the example's`);
    await writeFile(join(app, name), programs[at]);
  }
  running = await start(serve, app, env);
  const page = await browser.newPage();
  t.after(() => page.close());
  page.setDefaultTimeout(120_000);
  await uploads(page, running.url).catch((error) => assert.fail(`${error}\n${running.said()}`));
  t.diagnostic(`${heading}: ${Math.round((Date.now() - started) / 1000)} s`);
}

/** The commands below a heading, which have to be as many as are run. */
function shell(heading, count) {
  const found = codes("docs/guide.md", heading, "sh");
  assert.equal(found.length, count, heading);
  return found;
}

async function inFolder(folder, ...commands) {
  const { stdout } = await run("bash", ["-euc", commands.join("\n")], { cwd: folder, env: { ...process.env, ...env } });
  return stdout;
}

async function until(holds) {
  for (let tries = 0; !(await holds()); tries++) {
    if (tries === 1_200) throw new Error("it never holds");
    await new Promise((later) => setTimeout(later, 100));
  }
}
