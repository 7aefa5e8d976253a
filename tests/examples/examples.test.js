// Each example, started as its README says, in Chromium against the real binary.
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../browser/chromium.js";
import { startGatepass } from "../browser/gatepass.js";
import { codes } from "../docs/snippets.js";
import { start } from "./app.js";
import { changed, refuses, somebodyElses, uploads } from "./drive.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const names = process.env.GATEPASS_EXAMPLES.split(" ");
const left = ["node_modules", ".next", ".svelte-kit", "build", "db.sqlite3"];
let gatepass, browser, copy;

before(async () => {
  gatepass = await startGatepass();
  browser = await launchChromium();
  // What an app leaves behind does not stay in the tree, nor meet the next run.
  copy = await mkdtemp(join(tmpdir(), "gatepass-examples-"));
  await symlink(join(root, "sdk"), join(copy, "sdk"));
  await mkdir(join(copy, "examples"));
});

after(async () => {
  await browser?.close();
  await gatepass?.stop();
  await rm(copy, { recursive: true, force: true });
});

for (const name of names) {
  test(name, async (t) => {
    const folder = join(copy, "examples", name);
    if (name === "laravel") await emptyLaravel(folder);
    await cp(join(root, "examples", name), folder, { recursive: true, filter: (path) => !left.includes(basename(path)) });
    const [commands] = codes(`examples/${name}/README.md`, undefined, "sh");
    const venv = join(process.env.GATEPASS_EXAMPLES_VENVS, name, "bin");
    const env = {
      GATEPASS_API_KEY: gatepass.key,
      GATEPASS_PUBLIC_URL: gatepass.url,
      GATEPASS_SOURCE: root,
      COMPOSER_ALLOW_SUPERUSER: "1",
      PATH: `${venv}:${process.env.PATH}`,
    };
    const app = await start(commands, folder, env);
    t.after(app.stop);
    const page = await browser.newPage();
    t.after(() => page.close());
    page.setDefaultTimeout(120_000);
    const failed = (error) => assert.fail(`${error}\n${app.said()}`);

    await t.test("uploads", () => uploads(page, app.url).catch(failed));
    await t.test("refuses a changed receipt", () => refuses(page, app.url, gatepass, changed).catch(failed));
    const foreign = await somebodyElses(gatepass);
    await t.test("refuses somebody else's receipt", () => refuses(page, app.url, gatepass, () => foreign).catch(failed));
  });
}

/** The app that the example's files go into, with the settings that its README adds. */
async function emptyLaravel(folder) {
  await cp(join(root, "tests/examples/laravel"), folder, { recursive: true });
  for (const part of ["bootstrap/cache", "storage/framework/sessions", "storage/framework/views", "storage/logs", "database"]) {
    await mkdir(join(folder, part), { recursive: true });
  }
  await writeFile(join(folder, "database/database.sqlite"), "");
  const [services] = codes("examples/laravel/README.md", undefined, "php");
  await writeFile(join(folder, "config/services.php"), `<?php return [${services}];`);
}
