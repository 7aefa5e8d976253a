/** Uploads from a browser to signed URLs. */
export { upload } from "./upload.js";
export { UploadError, type UploadErrorKind } from "./errors.js";
export type {
  Address,
  StoredFile,
  TransferOptions,
  UploadOptions,
  UploadProgress,
  UploadResult,
  UploadState,
  UploadTask,
} from "./types.js";
