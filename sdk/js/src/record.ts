/**
 * What outlives a reload: for a file, the URL of the upload that has begun, in localStorage. One
 * upload at a time owns a record, over all tabs where the browser has Web Locks.
 */
export interface UploadRecord {
  url(): string | undefined;
  save(url: string): void;
  forget(): void;
  release(): void;
}

const PREFIX = "gatepass:upload:";
/** The server forgets a finished upload after 7 days, an unfinished one earlier. */
const LIFETIME_MS = 7 * 86_400_000;
const SAMPLE_BYTES = 16_384;

const owned = new Set<string>();

/** The record under the key, or nothing if another upload has it. */
export async function own(key: string): Promise<UploadRecord | undefined> {
  const name = PREFIX + key;
  if (owned.has(name)) return undefined;
  owned.add(name);
  const unlock = await lock(name);
  const release = () => {
    owned.delete(name);
    unlock?.();
  };
  if (!unlock) {
    release();
    return undefined;
  }
  sweep();
  return {
    url: () => read(name)?.url,
    save: (url) => stored(() => localStorage.setItem(name, JSON.stringify({ url, at: Date.now() }))),
    forget: () => stored(() => localStorage.removeItem(name)),
    release,
  };
}

/** Tells files apart: another one with the same name, size and time differs in its samples. */
export async function fingerprint(file: Blob): Promise<string> {
  const { name = "", lastModified = 0 } = file as Partial<File>;
  let hash = 2_166_136_261;
  for (const at of [0, (file.size - SAMPLE_BYTES) / 2, file.size - SAMPLE_BYTES]) {
    const first = Math.max(0, Math.floor(at));
    const sample = await file.slice(first, first + SAMPLE_BYTES).arrayBuffer();
    for (const byte of new Uint8Array(sample)) hash = Math.imul(hash ^ byte, 16_777_619);
  }
  return [name, file.size, lastModified, hash >>> 0].join(":");
}

/** A function that lets go, or nothing if another tab has the name. */
function lock(name: string): Promise<(() => void) | undefined> {
  return new Promise((got) => {
    const alone = () => got(() => {});
    if (!navigator.locks) return alone();
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => (lock ? new Promise<void>((free) => got(free)) : got(undefined)))
      .catch(alone);
  });
}

function sweep(): void {
  stored(() => {
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(PREFIX) && !read(name)) localStorage.removeItem(name);
    }
  });
}

function read(name: string): { url: string } | undefined {
  return stored(() => {
    const { url, at } = JSON.parse(localStorage.getItem(name) ?? "{}");
    return Date.now() - at < LIFETIME_MS ? { url } : undefined;
  });
}

/** Storage can be forbidden, full or spoilt: then the upload does without. */
function stored<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
