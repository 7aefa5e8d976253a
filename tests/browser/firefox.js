// Starts the Firefox of the system, headless, with a profile of its own.

import puppeteer from "puppeteer-core";

/** A running Firefox; `await browser.close()` ends it. `FIREFOX` names another binary. */
export function launchFirefox() {
  const executablePath = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
  // Its start takes long on a busy machine.
  return puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 300_000, protocolTimeout: 300_000 });
}
