// Files that run a script where they are shown as what they claim to be. Each script says its name
// on the console, which needs no permission and works in every frame.

const mark = "script ran: ";
const say = (name) => `console.log("${mark}${name}")`;
const html = (name) => `<!doctype html><title>${name}</title><script>${say(name)}</script>`;
const xhtml = "http://www.w3.org/1999/xhtml";
const svg = (name) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload='${say(name)}'><script>${say(name)}</script></svg>`;

const stylesheet = `<?xml version="1.0"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:template match="/"><html><body><script>${say("xslt.xml")}</script></body></html></xsl:template>
</xsl:stylesheet>`;

// A whole PNG of one pixel; what follows its last chunk is no part of the picture.
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const after = (bytes, text) => Buffer.concat([bytes, Buffer.from(text)]);
const utf16 = (text) => Buffer.from(`\ufeff${text}`, "utf16le");

/** `type` is what the uploader declares, and what a careless server would serve. */
export const hostile = [
  { name: "onload.svg", type: "image/svg+xml", content: svg("onload.svg") },
  { name: "blank.svg", type: "image/svg+xml ;x", content: svg("blank.svg") },
  { name: "prolog.svg", type: "image/svg+xml", content: `<?xml version="1.0"?><!-- --> ${svg("prolog.svg")}` },
  { name: "page.html", type: "text/html", content: html("page.html") },
  { name: "html.png", type: "image/png", careless: "text/html", content: html("html.png") },
  { name: "words.txt", type: "text/html", content: `words first ${html("words.txt")}` },
  { name: "utf7.html", type: "text/html;charset=utf-7", content: `+ADw-script+AD4- ${html("utf7.html")}` },
  { name: "utf16.html", type: "text/html;charset=utf-16", content: utf16(html("utf16.html")) },
  { name: "polyglot.png", type: "text/html", content: after(pixel, html("polyglot.png")) },
  { name: "polyglot.gif", type: "text/html", content: `GIF89a<!-- -->${html("polyglot.gif")}` },
  {
    name: "page.xhtml",
    type: "application/xhtml+xml",
    content: `<html xmlns="${xhtml}"><head><title>x</title><script>${say("page.xhtml")}</script></head></html>`,
  },
  {
    name: "namespace.xml",
    type: "text/xml",
    content: `<x><script xmlns="${xhtml}">${say("namespace.xml")}</script></x>`,
  },
  // Browsers are giving XSLT up: where this one has, nothing can run.
  {
    name: "xslt.xml",
    type: "text/xml",
    mayBeGone: true,
    content: `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="style.xsl"?><x/>`,
  },
];

/** What the XML above is transformed by. */
export const helpers = [{ name: "style.xsl", type: "text/xsl", content: stylesheet }];

/** Loaded by the `script` element of a page that trusts our host. */
export const scripts = [{ name: "words.js", type: "text/plain", content: say("words.js") }];

/** The name of the file whose script a line of the console tells of. */
export const ranIn = (line) => (line.startsWith(mark) ? line.slice(mark.length) : undefined);

/** Names for a download that want to be more than a name. */
export const names = [
  'report.pdf"; filename="evil.exe',
  "report.pdf; filename*=UTF-8''evil.exe",
  "a\\b/../c.txt",
  "\u{1f600} \u00fc.txt",
  "%22%0d%0aX-Evil:%201.txt",
  "n".repeat(400),
];
