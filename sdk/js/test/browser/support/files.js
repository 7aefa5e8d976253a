// Files of known bytes, on disk, so that a page can choose them again after a reload.
import { createCipheriv, createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

export async function fileStore() {
  const folder = await mkdtemp(join(tmpdir(), "gatepass-files-"));
  return {
    /** Writes bytes that do not repeat; `{path, name, size, sha256}`. */
    async make(name, size, seed = 1) {
      const path = join(folder, name);
      const hash = createHash("sha256");
      await pipeline(Readable.from(bytes(size, seed, hash)), createWriteStream(path));
      return { path, name, size, sha256: hash.digest("hex") };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function* bytes(size, seed, hash) {
  const cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16));
  for (let left = size; left > 0; ) {
    const part = cipher.update(Buffer.alloc(Math.min(left, 1 << 20)));
    hash.update(part);
    left -= part.length;
    yield part;
  }
}

/** SHA-256 of what is served. */
export async function servedHash(url) {
  const hash = createHash("sha256");
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
  for await (const part of answer.body) hash.update(part);
  return hash.digest("hex");
}
