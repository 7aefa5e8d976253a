// Pictures of the element in several states, to look at: `node test/browser/gallery.js FOLDER`.
import { mkdir } from "node:fs/promises";
import { launch, throttle } from "./support/browser.js";
import { ELEMENT_PAGE } from "./support/element-page.js";
import { fileStore } from "./support/files.js";
import { startGatepass } from "../../../../tests/browser/gatepass.js";
import { startSite } from "./support/site.js";

const folder = process.argv[2] ?? "gallery";
await mkdir(folder, { recursive: true });
const server = await startGatepass();
const site = await startSite(server.url, { "/": ELEMENT_PAGE });
const browser = await launch();
const files = await fileStore();

/** Something to see in a thumbnail. */
async function photo(page) {
  const png = await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
    const draw = canvas.getContext("2d");
    const sky = draw.createLinearGradient(0, 0, 0, 240);
    sky.addColorStop(0, "#4a7bd0");
    sky.addColorStop(1, "#f3c98b");
    draw.fillStyle = sky;
    draw.fillRect(0, 0, 320, 240);
    draw.fillStyle = "#2f4a3a";
    draw.ellipse(160, 260, 220, 90, 0, 0, 7);
    draw.fill();
    return canvas.toDataURL().split(",")[1];
  });
  return { name: "sunset over the hills.png", mimeType: "image/png", buffer: Buffer.from(png, "base64") };
}

for (const scheme of ["light", "dark"]) {
  for (const width of [560, 320]) {
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 560 }, deviceScaleFactor: 2 });
    const page = await context.newPage();
    const shoot = (name) => page.screenshot({ path: `${folder}/${scheme}-${width}-${name}.png` });
    await page.goto(site.url);
    await page.locator("gatepass-upload").evaluate((element) => {
      element.setAttribute("hint", "Images and video, up to 50 MB");
      element.setAttribute("chunk-size", "1048576");
    });
    await shoot("empty");
    await page.keyboard.press("Tab");
    await shoot("focus");
    const many = [
      (await files.make("a holiday film with quite a long name that does not fit.mp4", 30_000_000)).path,
      (await files.make("notes.pdf", 9_000_000)).path,
    ];
    await throttle(page, 6_000_000);
    await page.locator("input[type=file]").setInputFiles([await photo(page)]);
    await page.locator("li[data-state=done]").waitFor();
    site.sign = ({ name }) => site.signer.signUpload(name, name.endsWith("pdf") ? { type: "image/*" } : {});
    await page.locator("input[type=file]").setInputFiles(many);
    await page.locator("li[data-state=failed]").waitFor();
    await page.waitForTimeout(1500);
    await shoot("busy");
    await context.setOffline(true);
    await page.locator("li[data-state=offline]").waitFor();
    await shoot("offline");
    await context.setOffline(false);
    await page.locator("li[data-state=uploading]").waitFor();
    await page.getByRole("button", { name: /^Pause/ }).click();
    await page.locator("li[data-state=paused]").waitFor();
    await shoot("paused");
    await context.close();
  }
}

await browser.close();
site.close();
await server.stop();
await files.remove();
