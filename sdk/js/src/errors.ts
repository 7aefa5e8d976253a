/**
 * A kind of the server's (docs/errors.md), or one of: `network` (no answer), `answer_unknown` (an
 * answer that is not Gatepass's), `file_unreadable` (the file changed, moved or went away),
 * `signing_failed` (`getUrl` threw, or gave no URL), `aborted`.
 */
export type UploadErrorKind = "network" | "answer_unknown" | "file_unreadable" | "signing_failed" | "aborted" | (string & {});

interface Details {
  status?: number;
  field?: string;
  maxBytes?: number;
  requestId?: string | null;
  /** Seconds. */
  retryAfter?: number;
  /** The server's own words, for developers. */
  detail?: string;
  cause?: unknown;
}

/** Statuses that another try may heal. 507: somebody may make room. */
const PASSING = [0, 408, 425, 429, 502, 503, 504, 507];

const EXPIRED = "The permission to upload has expired. Please try again.";
const REFUSED = "This site's permission to upload was not accepted.";
const OTHER_FILE = "Another file was sent with the same permission. Please try again.";
const EXISTS = "A file with this name is already there.";

const MESSAGES: Record<string, string> = {
  network: "The connection was lost. Try again to go on where it stopped.",
  answer_unknown: "Something between here and the server gave an unexpected answer. Try again later.",
  file_unreadable: "The file can no longer be read: it was changed, moved or deleted. Choose it again.",
  signing_failed: "This site gave no permission to upload. Try again later.",
  aborted: "The upload was cancelled.",
  "policy_violation/type": "This type of file is not accepted here.",
  "policy_violation/size": "The file does not have the expected size.",
  "policy_violation/sha256": "The file is not the expected one.",
  digest_mismatch: "The file is not the expected one.",
  url_expired: EXPIRED,
  upload_expired: EXPIRED,
  upload_not_found: EXPIRED,
  signature_invalid: REFUSED,
  signature_malformed: REFUSED,
  file_exists: EXISTS,
  precondition_failed: EXISTS,
  part_conflict: OTHER_FILE,
  upload_complete: OTHER_FILE,
  length_inconsistent: OTHER_FILE,
  storage_full: "The server has no room left. Try again later.",
};

/** Why an upload failed. `message` is for people, `kind` for programs. */
export class UploadError extends Error {
  /** HTTP status; 0 without an answer. */
  readonly status: number;
  /** The rule or header that was broken, if the server named it. */
  readonly field?: string;
  readonly maxBytes?: number;
  /** For the operator of the server. */
  readonly requestId?: string | null;
  readonly retryAfter?: number;
  readonly detail?: string;

  constructor(
    readonly kind: UploadErrorKind,
    details: Details = {},
  ) {
    super(message(kind, details), { cause: details.cause });
    this.name = kind === "aborted" ? "AbortError" : "UploadError";
    this.status = details.status ?? 0;
    this.field = details.field;
    this.maxBytes = details.maxBytes;
    this.requestId = details.requestId;
    this.retryAfter = details.retryAfter;
    this.detail = details.detail;
  }

  /** Whether the same request may succeed later. */
  get passing(): boolean {
    const ours = ["file_unreadable", "signing_failed", "aborted"].includes(this.kind);
    return !ours && (PASSING.includes(this.status) || ["body_incomplete", "answer_unknown"].includes(this.kind));
  }
}

function message(kind: string, { field, maxBytes, status = 0, detail }: Details): string {
  if (kind === "too_large") {
    return `The file is too large${maxBytes ? `: at most ${size(maxBytes)} are accepted` : ""}.`;
  }
  const known = MESSAGES[`${kind}/${field}`] ?? MESSAGES[kind];
  if (known) return known;
  if (status >= 500) return "The server is in trouble. Try again later.";
  return `The server refused the file: ${detail ?? kind}.`;
}

/** Bytes for people: `1.5 MB`. */
export function size(bytes: number): string {
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < 4) {
    bytes /= 1000;
    unit++;
  }
  return `${unit && bytes < 10 ? Math.round(bytes * 10) / 10 : Math.round(bytes)} ${units[unit]}`;
}

/** The error that an answer other than 2xx tells. */
export function refusal(xhr: XMLHttpRequest): UploadError {
  const { status, response } = xhr;
  if (status === 0) return new UploadError("network");
  const body = response?.error;
  const after = Number(xhr.getResponseHeader("Retry-After"));
  return new UploadError(body?.kind ?? (status >= 500 ? "server" : "answer_unknown"), {
    status,
    field: body?.field,
    maxBytes: body?.max_bytes,
    detail: body?.message,
    requestId: xhr.getResponseHeader("X-Request-Id"),
    retryAfter: after > 0 ? after : undefined,
  });
}
