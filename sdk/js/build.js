// After tsc: the builds for a plain <script>, each one file. browser.js makes `Gatepass.upload`,
// element.js defines <gatepass-upload>; browser.mjs is for <script type="module"> without a bundler.
import { build } from "esbuild";

const common = { bundle: true, minify: true, target: "es2022", legalComments: "none" };

await Promise.all([
  build({ ...common, entryPoints: ["dist/browser.js"], format: "iife", globalName: "Gatepass", outfile: "dist/script/browser.js" }),
  build({ ...common, entryPoints: ["dist/browser.js"], format: "esm", outfile: "dist/script/browser.mjs" }),
  build({ ...common, entryPoints: ["dist/element.js"], format: "iife", outfile: "dist/script/element.js" }),
]);
