// One case of vectors/signing.json, as this package answers it. Run as a program, it answers the
// cases on its standard input: a URL, claims, or "!" and a code, one a line.
import { pathToFileURL } from "node:url";
import { text } from "node:stream/consumers";

import { ReceiptError, Signer, SigningError } from "@gatepass/sdk/server";

const CLAIMS = ["sub", "path", "size", "type", "etag", "iat", "exp"];

export async function answer(one) {
  const signer = new Signer({ key: one.key, publicUrl: one.public_url ?? "https://files.example.net" });
  try {
    if (one.kind === "receipt") return line(await signer.verifyReceipt(one.token, one.now));
    const { max_size: maxSize, ...policy } = one.policy;
    return await signer.sign(one.path, { maxSize, ...policy });
  } catch (error) {
    if (error instanceof SigningError || error instanceof ReceiptError) return `!${error.code}`;
    throw error;
  }
}

export function expected({ url, expect }) {
  return url ?? (expect.refuse ? `!${expect.refuse}` : line(expect.accept));
}

const line = (claims) => CLAIMS.map((name) => claims[name]).join("\t");

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const one of JSON.parse(await text(process.stdin))) console.log(await answer(one));
}
