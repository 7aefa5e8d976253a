// The code of docs/clients.md, so that what it shows is what is tested.
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf8");

/** The blocks of code below a heading. */
export function recipes(heading) {
  const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const found = blocks(section);
  if (!found.length) throw new Error(`no code below ${heading}`);
  return found;
}

/** What every recipe of a page uses. */
export const shared = blocks(page)[0];

function blocks(text) {
  return [...text.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
}
