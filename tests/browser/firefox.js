// Starts the Firefox of the system, headless, with a profile of its own.

import puppeteer from "puppeteer-core";

/** A running Firefox with one page, as `webkit.js` has it. `FIREFOX` names another binary. */
export async function openFirefox() {
  const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
  // Its start takes long on a busy machine.
  const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 300_000, protocolTimeout: 300_000 });
  const page = await browser.newPage();
  page.setDefaultTimeout(300_000);
  return {
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
    run: (script, ...values) => page.evaluate(script, ...values),
    choose: async (find, path) => (await page.evaluateHandle(find)).asElement().uploadFile(path),
    close: () => browser.close(),
  };
}
