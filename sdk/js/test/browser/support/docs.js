// The code of docs/browser.md, so that what it shows is what is tested.
import { snippets, take } from "../../../../../tests/docs/snippets.js";

/** The first block of code after a heading, or the nth. */
export const codeAfter = (heading, nth = 0) => take(snippets("docs/browser.md", heading)[nth]);
