import type { UploadError } from "./errors.js";

/** The File object that the server answers with (docs/protocol.md, "The File object"). */
export interface StoredFile {
  id: string;
  media_id: string;
  object: "source";
  kind: "image" | "video" | "audio" | "file";
  /** Content type, as found in the bytes. */
  type: string;
  /** Bytes. */
  filesize: number;
  /** Where the file is served. */
  url: string;
  folder: string | null;
  filename: string;
  metadata: Record<string, string>;
  etag: string;
  /** CRC-64/NVME, hexadecimal. */
  crc64: string;
  /** RFC 3339. */
  created: string;
  updated: string;
  status: string;
  width?: number;
  height?: number;
  orientation?: "landscape" | "portrait" | "square";
  rotation?: number;
  ref?: string;
  label?: string;
  sha256?: string;
}

/** What an upload resolves to. */
export interface UploadResult {
  file: StoredFile;
  /**
   * A JWT by which your backend can trust what the page hands it, without a call; null if the
   * upload was not begun by a signed URL.
   */
  receipt: string | null;
}

/** All three in bytes; none of them ever decreases. */
export interface UploadProgress {
  /** What the server has on stable storage. */
  received: number;
  /** The same, and what is on its way: for a progress bar. */
  sent: number;
  total: number;
}

/**
 * `preparing`: asks for a URL, or what is missing. `uploading`. `retrying`: waits before another
 * try. `offline`: waits for the network. `paused`. Then `done`, `failed` or `aborted`, once.
 */
export type UploadState =
  | "preparing"
  | "uploading"
  | "retrying"
  | "offline"
  | "paused"
  | "done"
  | "failed"
  | "aborted";

/** Where a file goes: a signed URL, or a function that gets one. */
export type Address =
  | { url: string; getUrl?: undefined }
  | {
      url?: undefined;
      /** Called again when the URL has expired before the upload could begin. */
      getUrl: (file: Blob, signal: AbortSignal) => string | Promise<string>;
    };

export interface TransferOptions {
  /**
   * Bytes of a chunk at most, 8 MiB if not set; a file that is not larger goes up by one PUT. Chunks
   * shrink while the network fails, and grow for files of more than 9,000 chunks.
   */
  chunkSize?: number;
  /** Chunks on their way at once, 4 if not set. */
  parallel?: number;
  /** Tries that may fail in a row, without a byte gained, before the upload fails; 8 if not set. */
  retries?: number;
  /** Aborts the upload, like `abort()`. */
  signal?: AbortSignal;
  /**
   * What the upload is found by after a reload, in this browser: the file (name, size, time,
   * samples of its bytes) if not set. Null: it is not found.
   */
  resumeKey?: string | null;
  onProgress?: (progress: UploadProgress) => void;
  /** With the reason, for `retrying` and `failed`. */
  onState?: (state: UploadState, error?: UploadError) => void;
}

export type UploadOptions = Address & TransferOptions;

/** A running upload: a promise of its result, with controls. */
export interface UploadTask extends Promise<UploadResult> {
  readonly state: UploadState;
  readonly progress: UploadProgress;
  /** Stops sending. Chunks that are on their way are sent again later. */
  pause(): void;
  resume(): void;
  /**
   * Ends the upload and has the server drop what it received. With `keep`, the server keeps it, and
   * the same file goes on from there when it is uploaded again.
   */
  abort(options?: { keep?: boolean }): void;
}
