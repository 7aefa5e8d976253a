// The code of docs/clients.md, so that what it shows is what is tested.
import { snippets, take } from "../docs/snippets.js";

const PAGE = "docs/clients.md";

/** The first block of code below a heading, or the nth. */
export const recipe = (name, nth = 0) => take(snippets(PAGE, `## ${name}`)[nth]);

/** What every recipe of the page uses. */
export const shared = take(snippets(PAGE)[0]);
