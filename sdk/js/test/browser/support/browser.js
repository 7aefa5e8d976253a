// What the tests ask of the browser.
export { launchChromium as launch } from "../../../../../tests/browser/chromium.js";

/** Bytes per second up, over all connections of the page; 0 lifts it. */
export async function throttle(page, bytesPerSecond) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const free = bytesPerSecond || -1;
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 20, downloadThroughput: -1, uploadThroughput: free });
  return session;
}

/** The ids of its processes. */
export async function processes(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.map(({ id }) => id);
}
