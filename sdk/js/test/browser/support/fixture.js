// For each file of tests a server, a site and a browser; for each test a page.
import { after, afterEach, before, beforeEach } from "node:test";
import { launch } from "./browser.js";
import { fileStore } from "./files.js";
import { PAGE, watchPuts } from "./page.js";
import { startGatepass } from "../../../../../tests/browser/gatepass.js";
import { startSite } from "./site.js";

/** How long a test waits for what has to come, in milliseconds: a busy machine is slow. */
export const PATIENCE = 120_000;

/** Hands all of it to `share`, before each test. `open()` opens another page. */
export function fixture(share) {
  const all = {
    async open() {
      const page = await all.context.newPage();
      await page.goto(all.site.url);
      return { page, puts: watchPuts(page) };
    },
  };

  before(async () => {
    all.server = await startGatepass();
    all.site = await startSite(all.server.url, { "/": PAGE });
    all.browser = await launch();
    all.files = await fileStore();
  });

  after(async () => {
    await all.browser?.close();
    all.site?.close();
    await all.server?.stop();
    await all.files?.remove();
  });

  beforeEach(async () => {
    all.context = await all.browser.newContext();
    all.context.setDefaultTimeout(PATIENCE);
    all.site.signed = 0;
    all.site.sign = ({ name }) => all.site.signer.signUpload(name);
    share({ ...all, ...(await all.open()) });
  });

  afterEach(() => all.context.close());
}
