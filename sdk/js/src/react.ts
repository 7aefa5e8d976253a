/** Uploads from a React component. */
import { useCallback, useEffect, useRef, useState } from "react";
import { upload } from "./upload.js";
import type { UploadError } from "./errors.js";
import type { UploadOptions, UploadProgress, UploadResult, UploadState, UploadTask } from "./types.js";

/** One file's upload, as a component shows it. */
export interface UploadView {
  /** `idle` before the first file and after `reset`. */
  state: UploadState | "idle";
  progress: UploadProgress;
  result?: UploadResult;
  /** Why it failed, or why it is tried again. */
  error?: UploadError;
}

export interface UploadHook extends UploadView {
  /** Uploads a file; one that is still going up is aborted. Resolves to nothing if it fails. */
  start: (file: Blob) => Promise<UploadResult | undefined>;
  pause: () => void;
  resume: () => void;
  /** Gives the upload up, here and at the server. */
  abort: () => void;
  /** Tries a failed upload again: it goes on where it stopped. */
  retry: () => void;
  /** Back to `idle`. */
  reset: () => void;
}

const IDLE: UploadView = { state: "idle", progress: { received: 0, sent: 0, total: 0 } };

/**
 * An upload of one file at a time. Options may change between renders; a running upload keeps those
 * it began with. When the component goes away the upload ends here, and the server keeps what it
 * has: the same file goes on from there.
 */
export function useUpload(options: UploadOptions): UploadHook {
  const [view, setView] = useState(IDLE);
  const task = useRef<UploadTask | undefined>(undefined);
  const source = useRef<Blob | undefined>(undefined);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => () => task.current?.abort({ keep: true }), []);

  const start = useCallback((file: Blob) => {
    task.current?.abort();
    const { onProgress, onState } = latest.current;
    // What an earlier upload still has to say is not shown any more.
    const show = (change: Partial<UploadView>) => {
      if (task.current === running) setView((view) => ({ ...view, ...change }));
    };
    source.current = file;
    setView({ ...IDLE, state: "preparing" });
    const running = upload(file, {
      ...latest.current,
      onProgress: (progress) => {
        show({ progress });
        onProgress?.(progress);
      },
      onState: (state, error) => {
        show({ state, error });
        onState?.(state, error);
      },
    });
    task.current = running;
    return running.then(
      (result) => {
        show({ result });
        return result;
      },
      () => undefined,
    );
  }, []);

  const pause = useCallback(() => task.current?.pause(), []);
  const resume = useCallback(() => task.current?.resume(), []);
  const abort = useCallback(() => task.current?.abort(), []);
  const retry = useCallback(() => void (source.current && start(source.current)), [start]);
  const reset = useCallback(() => {
    task.current?.abort();
    task.current = source.current = undefined;
    setView(IDLE);
  }, []);

  return { ...view, start, pause, resume, abort, retry, reset };
}
