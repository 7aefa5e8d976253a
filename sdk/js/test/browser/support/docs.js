// The code of docs/browser.md, so that what it shows is what is tested.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../../../../docs/browser.md", import.meta.url), "utf8");

/** The first block of code after a heading, or the nth. */
export function codeAfter(heading, nth = 0) {
  const section = page.split(`\n${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const blocks = [...section.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
  if (!blocks[nth]) throw new Error(`no code after ${heading}`);
  return blocks[nth];
}
