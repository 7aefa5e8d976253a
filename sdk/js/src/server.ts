/**
 * Signing on a server: makes the URLs that let a browser upload or read one file, and checks the
 * receipts that come back. Web Crypto only, so it runs in Node, Deno, Bun and on the edge.
 *
 * @module
 */

/** Whom the URLs are for. */
export interface SignerSettings {
  /** The API key, `gp_...`. It never leaves the server and is in no URL. */
  key: string;
  /** Where files are served: scheme, host and port, `https://files.example.net`. */
  publicUrl: string;
}

/** What a signed URL allows. Absent members set no limit; unknown ones are refused. */
export interface SignOptions {
  /** Seconds from now within which a request may begin, 1 or more. 3600 unless `expiry` is set. */
  expiresIn?: number | undefined;
  /** The last moment at which a request may begin, in Unix seconds, instead of `expiresIn`. */
  expiry?: number | undefined;
  /** Most bytes of the upload, at most 2^53 - 1. */
  maxSize?: number | undefined;
  /** Exact number of bytes of the upload, at most 2^53 - 1. */
  size?: number | undefined;
  /** Content types allowed, `image/png` or `image/*`: a list of at most 32, or text with commas. */
  type?: string | readonly string[] | undefined;
  /** SHA-256 that the bytes must have, 64 hexadecimal digits. */
  sha256?: string | undefined;
  /** `false`: the upload may create, never replace. */
  overwrite?: boolean | undefined;
  /** The app's own reference, kept on the File; at most 1,024 bytes. */
  ref?: string | undefined;
  /** The app's own metadata, kept on the File; at most 32 entries of at most 1,024 bytes. */
  meta?: Readonly<Record<string, string>> | undefined;
  /** Reading sends an attachment under this name; `""` keeps the file's own. */
  download?: string | undefined;
  /** Id of the key, so that no other is tried. */
  kid?: string | undefined;
}

/** What a URL is for. Without one, the server's `legacy_urls` decides. */
export type Method = "get" | "put" | "delete";

/** What a receipt states about an upload. */
export interface ReceiptClaims {
  /** The file's id. */
  sub: string;
  /** Its path, decoded. */
  path: string;
  /** Its size in bytes. */
  size: number;
  /** Its content type. */
  type: string;
  /** Its entity tag, without quotes. */
  etag: string;
  /** When the receipt was issued, in Unix seconds. */
  iat: number;
  /** When it ends, in Unix seconds. */
  exp: number;
}

/** Why nothing was signed. */
export class SigningError extends Error {
  override name = "SigningError";
  constructor(
    /** What is wrong: the settings, the path, or one of the options. */
    readonly code: "settings_invalid" | "path_invalid" | "policy_malformed",
    message: string,
  ) {
    super(message);
  }
}

/** Why a receipt is not believed. */
export class ReceiptError extends Error {
  override name = "ReceiptError";
  constructor(
    /** No receipt of ours; not signed by this key, or changed; its time is over. */
    readonly code: "malformed" | "signature_invalid" | "expired",
    message: string,
  ) {
    super(message);
  }
}

/** Signs URLs and checks receipts with one API key. */
export class Signer {
  readonly #key: string;
  readonly #publicUrl: string;
  #imported: Promise<CryptoKey> | undefined;

  /** Throws a {@link SigningError} when a setting is missing or no URL of a host. */
  constructor({ key, publicUrl }: SignerSettings) {
    if (typeof key !== "string" || key === "" || isIllFormed(key)) {
      throw new SigningError("settings_invalid", "key: the API key is missing");
    }
    if (typeof publicUrl !== "string" || !/^https?:\/\/[A-Za-z0-9._:[\]-]+\/*$/.test(publicUrl)) {
      throw new SigningError("settings_invalid", "publicUrl: must be scheme and host, https://files.example.net");
    }
    this.#key = key;
    this.#publicUrl = publicUrl.replace(/\/+$/, "");
  }

  /** A URL that uploads to `path`, in one request or in chunks. */
  signUpload(path: string, options: SignOptions = {}): Promise<string> {
    return this.sign(path, { ...options, method: "put" });
  }

  /** A URL that reads the file at `path`. */
  signDownload(path: string, options: SignOptions = {}): Promise<string> {
    return this.sign(path, { ...options, method: "get" });
  }

  /** A URL that deletes the file at `path`. */
  signDelete(path: string, options: SignOptions = {}): Promise<string> {
    return this.sign(path, { ...options, method: "delete" });
  }

  /**
   * A URL for any method, or for none. Rejects with a {@link SigningError} when the server would
   * refuse the path or an option.
   */
  async sign(path: string, options: SignOptions & { method?: Method | undefined } = {}): Promise<string> {
    checkPath(path);
    const query = queryOf(options);
    const signature = base64url(await this.#mac(`${path}?${query}`));
    return `${this.#publicUrl}/${encode(path, "/")}?${query}&signature=${signature}`;
  }

  /**
   * What a receipt states, if this key signed it and its time is not over; rejects with a
   * {@link ReceiptError} otherwise. Compare `path` with the one that you signed. `now` is in Unix
   * seconds.
   */
  async verifyReceipt(token: string, now: number = unixNow()): Promise<ReceiptClaims> {
    const parts = typeof token === "string" && token.length <= TOKEN_MAX ? token.split(".") : [];
    const [header, payload, signature] = parts;
    // The algorithm is never taken from the token: only this one header is ours.
    if (parts.length !== 3 || header !== RECEIPT_HEADER) {
      throw new ReceiptError("malformed", "the receipt is malformed");
    }
    const expected = base64url(await this.#mac(`${header}.${payload}`));
    if (!equalInConstantTime(expected, signature as string)) {
      throw new ReceiptError("signature_invalid", "the receipt's signature does not match");
    }
    const claims = readClaims(payload as string);
    if (now >= claims.exp) {
      throw new ReceiptError("expired", "the receipt has expired");
    }
    return claims;
  }

  async #mac(text: string): Promise<Uint8Array> {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    this.#imported ??= crypto.subtle.importKey("raw", utf8(this.#key), algorithm, false, ["sign"]);
    return new Uint8Array(await crypto.subtle.sign("HMAC", await this.#imported, utf8(text)));
  }
}

const PATH_BYTES_MAX = 1024;
const SEGMENT_BYTES_MAX = 255;
const VALUE_BYTES_MAX = 1024;
const LIST_MAX = 32;
/** 48 KiB, less `&signature=` and its 43 characters. */
const QUERY_BYTES_MAX = 48 * 1024 - 54;
const TOKEN_MAX = 8192;
/** `{"alg":"HS256","typ":"JWT"}` */
const RECEIPT_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

const CONTROL = /\p{Cc}/u;
const TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,127}\/(?:[A-Za-z0-9!#$&^_.+-]{1,127}|\*)$/;

function checkPath(path: string): void {
  const reason = pathFault(path);
  if (reason !== undefined) throw new SigningError("path_invalid", `the path ${reason}`);
}

/** Refuses what two readers could understand differently, and what would bring its own query. */
function pathFault(path: string): string | undefined {
  if (typeof path !== "string" || path === "") return "is empty";
  if (isIllFormed(path)) return "is not well-formed Unicode";
  if (byteLength(path) > PATH_BYTES_MAX) return "is longer than 1024 bytes";
  if (/[?#\\]/.test(path) || CONTROL.test(path)) return "has one of ? # \\ or a control character";
  if (/%[0-9A-Fa-f]{2}/.test(path)) return "holds a percent escape: give it decoded";
  const segments = path.split("/");
  if (segments.includes("")) return "has an empty segment";
  if (segments.includes(".") || segments.includes("..")) return "has a dot segment";
  if (segments.some((segment) => byteLength(segment) > SEGMENT_BYTES_MAX)) return "has a segment longer than 255 bytes";
  if (segments[0] === ".well-known") return "starts with the reserved segment .well-known";
  return undefined;
}

type Values = SignOptions & { method?: Method | undefined };

/** The query that is signed: `expiry`, `method`, then the rest by name. */
function queryOf({ expiresIn, expiry, method, meta = {}, ...options }: Values): string {
  const first = [`expiry=${expiryOf(expiresIn, expiry)}`];
  if (method !== undefined) first.push(`method=${methodOf(method)}`);
  const rest = [...Object.entries(options), ...metaEntries(meta)]
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => parameter(name, value))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${encode(value, "/*,:@")}`);
  const query = [...first, ...rest].join("&");
  if (query.length > QUERY_BYTES_MAX) bad("query", "all values together are longer than 48 KiB, encoded");
  return query;
}

function expiryOf(expiresIn: number | undefined, expiry: number | undefined): number {
  if (expiresIn !== undefined && expiry !== undefined) bad("expiry", "give it or expiresIn, not both");
  if (expiry === undefined && !(Number.isSafeInteger(expiresIn ?? 1) && (expiresIn ?? 1) >= 1)) {
    bad("expiresIn", "must be a whole number of seconds, 1 or more");
  }
  const moment = expiry ?? unixNow() + (expiresIn ?? 3600);
  if (!Number.isSafeInteger(moment) || moment < 1 || moment > 99_999_999_999) {
    bad("expiry", "must be 1 to 99999999999 Unix seconds");
  }
  return moment;
}

function methodOf(method: string): string {
  return ["get", "put", "delete"].includes(method) ? method : bad("method", "must be get, put or delete");
}

function metaEntries(meta: Readonly<Record<string, string>>): [string, unknown][] {
  const entries = Object.entries(meta);
  if (entries.length > LIST_MAX) bad("meta", "at most 32 entries");
  return entries.map(([name, value]) => {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) bad(`meta.${name}`, "the name must be 1 to 64 letters, digits, _ or -");
    return [`meta.${name}`, value];
  });
}

/** Each option as name and value on the wire; none where the value says nothing. */
function parameter(name: string, value: unknown): [string, string][] {
  switch (name) {
    case "maxSize":
      return [["max_size", bytes("maxSize", value)]];
    case "size":
      return [["size", bytes("size", value)]];
    case "type":
      return [["type", types(value)]];
    case "sha256":
      return [["sha256", sha256(value)]];
    case "overwrite":
      if (typeof value !== "boolean") bad("overwrite", "must be true or false");
      return value === true ? [] : [["overwrite", "false"]];
    case "ref":
    case "download":
    case "kid":
      return [[name, text(name, value)]];
    default:
      if (!name.startsWith("meta.")) bad(name, "is no option of a signed URL");
      return [[name, text(name, value)]];
  }
}

function bytes(name: string, value: unknown): string {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    bad(name, "must be a whole number of bytes, at most 2^53 - 1");
  }
  return String(value);
}

function types(value: unknown): string {
  const list = Array.isArray(value) ? value : String(value).split(",");
  if (list.length > LIST_MAX) bad("type", "at most 32 types");
  if (list.length === 0 || !list.every((type) => typeof type === "string" && TYPE.test(type))) {
    bad("type", "must be types such as image/png or image/*");
  }
  return list.join(",");
}

function sha256(value: unknown): string {
  if (typeof value !== "string" || !/^[0-9A-Fa-f]{64}$/.test(value)) bad("sha256", "must be 64 hexadecimal digits");
  return (value as string).toLowerCase();
}

function text(name: string, value: unknown): string {
  if (typeof value !== "string" || isIllFormed(value)) return bad(name, "must be text");
  if (byteLength(value) > VALUE_BYTES_MAX) bad(name, "longer than 1024 bytes");
  if (CONTROL.test(value)) bad(name, "has a control character");
  return value;
}

function bad(name: string, reason: string): never {
  throw new SigningError("policy_malformed", `${name}: ${reason}`);
}

function readClaims(payload: string): ReceiptClaims {
  try {
    const { sub, path, size, type, etag, iat, exp } = JSON.parse(fromBase64url(payload)) as ReceiptClaims;
    const texts = [sub, path, type, etag].every((value) => typeof value === "string");
    const numbers = [size, iat, exp].every((value) => Number.isSafeInteger(value) && value >= 0);
    if (texts && numbers) return { sub, path, size, type, etag, iat, exp };
  } catch {
    // Not base64url, not UTF-8, or not JSON.
  }
  throw new ReceiptError("malformed", "the receipt's claims are malformed");
}

/** Escapes every byte outside RFC 3986's unreserved characters and `also`. */
function encode(value: string, also: string): string {
  const plain = (byte: number) => /[A-Za-z0-9._~-]/.test(String.fromCharCode(byte)) || also.includes(String.fromCharCode(byte));
  const escaped = (byte: number) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return Array.from(utf8(value), (byte) => (plain(byte) ? String.fromCharCode(byte) : escaped(byte))).join("");
}

function base64url(raw: Uint8Array): string {
  const standard = btoa(String.fromCharCode(...raw));
  return standard.replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function fromBase64url(value: string): string {
  if (!/^[A-Za-z0-9_-]*$/.test(value)) throw new TypeError("not base64url");
  const raw = atob(value.replace(/-/g, "+").replace(/_/g, "/"));
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(raw, (char) => char.charCodeAt(0)));
}

/** Looks at every character, whatever the first difference. */
function equalInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

function utf8(value: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(value);
}

function byteLength(value: string): number {
  return utf8(value).length;
}

/** Half a surrogate pair has no UTF-8: an encoder would put another character in its place. */
function isIllFormed(value: string): boolean {
  return /\p{Cs}/u.test(value);
}

function unixNow(): number {
  return Math.floor(Date.now() / 1000);
}
