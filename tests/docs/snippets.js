// The blocks of code of the pages, for tests in JavaScript that run them: what a page shows is what is
// tested. Whoever takes a block says so in the file that GATEPASS_SNIPPETS names (see account.py).
import { appendFileSync, readFileSync } from "node:fs";

const root = new URL("../../", import.meta.url);

/** The blocks of a page, or below one of its headings (`"## Serve"`): `{place, language, code}`. */
export function snippets(page, heading) {
  const found = [];
  let level = heading ? 0 : Infinity;
  let block;
  for (const [at, line] of readFileSync(new URL(page, root), "utf8").split("\n").entries()) {
    const fence = /^( *)```(.*)$/.exec(line);
    if (block && fence && !fence[2]) {
      if (level) found.push(block);
      block = undefined;
    } else if (block) {
      block.code += `${line.startsWith(block.indent) ? line.slice(block.indent.length) : line}\n`;
    } else if (fence) {
      block = { place: `${page}:${at + 1}`, language: fence[2].trim(), code: "", indent: fence[1] };
    } else if (heading && /^#+ /.test(line)) {
      const deep = line.indexOf(" ");
      if (line === heading) level = deep;
      else if (deep <= level) level = 0;
    }
  }
  if (!found.length) throw new Error(`no code on ${page}, ${heading}`);
  return found;
}

/** The code of a block that is going to be run. */
export function take({ place, code }) {
  if (process.env.GATEPASS_SNIPPETS) appendFileSync(process.env.GATEPASS_SNIPPETS, `${place}\n`);
  return code;
}

/** The code of all blocks in a language. */
export function codes(page, heading, language) {
  return snippets(page, heading).filter((block) => !language || block.language === language).map(take);
}
