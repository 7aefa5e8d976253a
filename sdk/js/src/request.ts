import { UploadError, refusal } from "./errors.js";

export interface Answer {
  status: number;
  /** The File, or for status 202 the Upload. */
  body: any;
  receipt: string | null;
}

export interface Put {
  body?: Blob;
  /** Content-Type. */
  type?: string;
  /** Content-Range. */
  range?: string;
  signal: AbortSignal;
  /** Bytes handed to the network so far. */
  onSent?: (bytes: number) => void;
}

/** How long nothing may move before the connection is given up. Buffers can hide much. */
const STALL_MS = 120_000;

/** One PUT. XMLHttpRequest, because fetch does not tell how far a body got. */
export function put(url: string, { body, type, range, signal, onSent }: Put): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const cut = () => xhr.abort();
    let stall: ReturnType<typeof setTimeout>;
    const moving = () => {
      clearTimeout(stall);
      stall = setTimeout(cut, STALL_MS);
    };

    xhr.open("PUT", url);
    xhr.responseType = "json";
    xhr.setRequestHeader("Accept-Version", "2025-08-20");
    if (type) xhr.setRequestHeader("Content-Type", type);
    if (range) xhr.setRequestHeader("Content-Range", range);
    xhr.upload.onprogress = (event) => {
      moving();
      onSent?.(event.loaded);
    };
    xhr.onloadend = () => {
      clearTimeout(stall);
      signal.removeEventListener("abort", cut);
      const { status, response } = xhr;
      if (status < 200 || status > 299) reject(refusal(xhr));
      else if (!response?.id) reject(new UploadError("answer_unknown", { status }));
      else resolve({ status, body: response, receipt: xhr.getResponseHeader("Gatepass-Receipt") });
    };
    if (signal.aborted) return reject(new UploadError("network"));
    signal.addEventListener("abort", cut);
    moving();
    xhr.send(body ?? null);
  });
}
