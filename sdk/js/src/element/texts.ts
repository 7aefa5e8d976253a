import { size, type UploadError } from "../errors.js";
import type { UploadProgress, UploadState } from "../types.js";

/** Everything the element says; set `texts` to say it in another language. */
export const TEXTS = {
  choose: "Choose a file",
  chooseSeveral: "Choose files",
  drop: "or drop it here",
  dropSeveral: "or drop them here",
  letGo: "Let go to upload",
  pause: "Pause",
  resume: "Go on with",
  cancel: "Cancel",
  retry: "Try again",
  remove: "Remove",
  required: "Choose a file.",
  unfinished: "Wait until the files are uploaded.",
  list: "Files",
  waiting: "Waiting",
  wrongType: "This type of file is not accepted here.",
  tooLarge: (most: number) => `The file is too large: at most ${size(most)} are accepted.`,
  /** The line below a file's name, while it goes up. */
  state: (state: UploadState, progress: UploadProgress): string => {
    const { sent, total } = progress;
    const far = `${size(sent)} of ${size(total)}`;
    switch (state) {
      case "preparing":
        return sent ? far : "Preparing";
      case "retrying":
        return `${far} · Trying again`;
      case "offline":
        return `${far} · Waiting for the network`;
      case "paused":
        return `${far} · Paused`;
      case "done":
        return `${size(total)} · Uploaded`;
      default:
        return far;
    }
  },
  error: (error: UploadError): string => error.message,
  /** What a screen reader says. */
  announceAdded: (names: string[]): string => `Uploading ${names.join(", ")}`,
  announceDone: (name: string): string => `${name} is uploaded`,
  announceFailed: (name: string, message: string): string => `${name} could not be uploaded. ${message}`,
  announceRemoved: (name: string): string => `${name} was removed`,
  announceState: (name: string, state: UploadState): string | undefined =>
    ({ offline: `No network. ${name} goes on when it is back`, paused: `${name} is paused` } as Record<string, string>)[state],
};

export type Texts = typeof TEXTS;
