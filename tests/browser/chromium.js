// Starts the Chromium of the system, headless, with a profile of its own.

import { chromium } from "playwright-core";

const flags = [
  // Tests run as root in containers, where the sandbox of the browser cannot be set up.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  // Without these it looks up hosts of its maker at every start.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A running Chromium; `await browser.close()` ends it. `CHROMIUM` names another binary. */
export function launchChromium() {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: flags, timeout: 300_000 });
}
