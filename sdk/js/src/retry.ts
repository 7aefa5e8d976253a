import { UploadError } from "./errors.js";

const FIRST_MS = 500;
const MOST_MS = 30_000;
/** URLs that have expired in a row before the signer is taken to be at fault. */
const EXPIRED_MOST = 2;

const EXPIRED = ["url_expired", "upload_expired"];
/** What the server says of an upload that it gave up, or whose key was revoked. */
const GONE = ["upload_not_found", "signature_invalid", "length_inconsistent", ...EXPIRED];

/**
 * `wait`: try again later. `restart`: the upload that had begun is gone, begin another. `sign`: ask
 * for another URL. `fail`: no use.
 */
export type Step = "wait" | "restart" | "sign" | "fail";

export interface Situation {
  /** An upload has begun. */
  begun: boolean;
  /** There is a `getUrl`. */
  canSign: boolean;
  /** Failures in a row before this one. */
  failures: number;
  retries: number;
}

export function nextStep(error: UploadError, { begun, canSign, failures, retries }: Situation): Step {
  if (failures >= retries) return "fail";
  if (begun && GONE.includes(error.kind)) return "restart";
  if (canSign && EXPIRED.includes(error.kind) && failures < EXPIRED_MOST) return "sign";
  return error.passing ? "wait" : "fail";
}

/**
 * How long to wait after so many failures in a row, in milliseconds: doubled each time, between half
 * and all of it at random so that many clients do not come back at once, and never less than the
 * server asked for.
 */
export function delay(failures: number, retryAfterSeconds = 0, random: number = Math.random()): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** (failures - 1));
  return Math.max(retryAfterSeconds * 1000, most * (0.5 + random / 2));
}
