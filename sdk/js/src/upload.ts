import { Chunks } from "./chunks.js";
import { UploadError } from "./errors.js";
import { Progress } from "./progress.js";
import { type UploadRecord, fingerprint, own } from "./record.js";
import { type Answer, put } from "./request.js";
import { delay, nextStep } from "./retry.js";
import type { UploadOptions, UploadProgress, UploadResult, UploadState, UploadTask } from "./types.js";

/** A browser that wrongly believes itself offline tries anyway, this often. */
const OFFLINE_MS = 30_000;

/**
 * Sends a file to a signed URL. Small files go by one PUT, larger ones in chunks, several at once;
 * an upload goes on after lost connections, sleep, reloads and restarts of the server.
 *
 * The promise rejects with an `UploadError`.
 */
export function upload(file: Blob, options: UploadOptions): UploadTask {
  const transfer = new Transfer(file, options);
  return Object.defineProperties(transfer.run(), {
    state: { get: () => transfer.state },
    progress: { get: () => transfer.progress },
    pause: { value: () => transfer.pause() },
    resume: { value: () => transfer.resume() },
    abort: { value: (how?: { keep?: boolean }) => transfer.abort(how?.keep) },
  }) as UploadTask;
}

/**
 * A sequence of rounds. A round learns what is missing and sends it; its first failure ends it, and
 * what follows is decided in one place.
 */
class Transfer {
  state: UploadState = "preparing";

  private readonly chunks: Chunks;
  private readonly counter: Progress;
  private readonly retries: number;
  /** One PUT will do, as long as it has not failed. */
  private whole: boolean;
  private signedUrl?: string;
  private record?: UploadRecord;

  private failures = 0;
  private gained = false;
  private paused = false;
  /** The round was ended by us, so that its failure is none. */
  private interrupted = false;
  private readonly end = new AbortController();
  private round = new AbortController();
  private wake = () => {};

  constructor(
    private readonly file: Blob,
    private readonly options: UploadOptions,
  ) {
    const { chunkSize = 8_388_608, parallel = 4, retries = 8 } = options;
    const count = (received: number, onTheWay: number) => this.count(received, onTheWay);
    this.counter = new Progress(file.size, (progress) => options.onProgress?.(progress));
    this.chunks = new Chunks(file, chunkSize, parallel, count);
    this.whole = file.size <= this.chunks.mostBytes;
    this.retries = retries;
  }

  get progress(): UploadProgress {
    return this.counter.shown;
  }

  async run(): Promise<UploadResult> {
    const unwatch = this.watch();
    try {
      // The caller has the task before the task calls back.
      await undefined;
      this.options.onState?.(this.state);
      this.options.onProgress?.(this.progress);
      await this.recall();
      const answer = await this.rounds();
      this.record?.forget();
      this.count(this.file.size, 0);
      this.enter("done");
      return { file: answer.body, receipt: answer.receipt };
    } catch (error) {
      this.enter(this.end.signal.aborted ? "aborted" : "failed", error as UploadError);
      throw error;
    } finally {
      unwatch();
      this.record?.release();
    }
  }

  pause(): void {
    if (this.over()) return;
    this.paused = true;
    this.interrupt();
  }

  resume(): void {
    this.paused = false;
    this.wake();
  }

  abort(keep = false): void {
    if (this.over()) return;
    this.end.abort();
    this.interrupt();
    if (keep) return;
    this.record?.forget();
    // A first chunk that is on its way has begun an upload by the signed URL. Nobody waits for the
    // answer: what is not dropped now expires.
    const begun = this.chunks.url ?? (this.whole ? undefined : this.signedUrl);
    if (begun) fetch(begun, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  private over(): boolean {
    return this.end.signal.aborted || ["done", "failed"].includes(this.state);
  }

  /** Ends the round or the wait, whichever is on. */
  private interrupt(): void {
    this.interrupted = true;
    this.round.abort();
    this.wake();
  }

  /** Listens to the network and the caller; returns what undoes it. */
  private watch(): () => void {
    const { signal } = this.options;
    const abort = () => this.abort();
    // Connections do not outlive it; to wait for their time-outs would take minutes.
    const offline = () => this.interrupt();
    const online = () => this.wake();
    addEventListener("offline", offline);
    addEventListener("online", online);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    return () => {
      removeEventListener("offline", offline);
      removeEventListener("online", online);
      signal?.removeEventListener("abort", abort);
    };
  }

  /** Finds the upload of this file that an earlier page began. */
  private async recall(): Promise<void> {
    const { resumeKey, url } = this.options;
    if (resumeKey === null) return;
    try {
      this.record = await own(resumeKey ?? (await fingerprint(this.file)));
    } catch (cause) {
      throw new UploadError("file_unreadable", { cause });
    }
    const known = this.record?.url();
    // A fixed URL says where the file has to go; an upload to another place is not it.
    if (known && (!url || samePlace(known, url))) this.chunks.url = known;
  }

  private async rounds(): Promise<Answer> {
    for (;;) {
      await this.permission();
      try {
        this.round = new AbortController();
        this.interrupted = false;
        const answer = await this.oneRound();
        if (answer) return answer;
      } catch (error) {
        await this.afterFailure(error);
      }
    }
  }

  /** Returns when sending is allowed. */
  private async permission(): Promise<void> {
    while (this.paused && !this.end.signal.aborted) {
      this.enter("paused");
      await this.sleep();
    }
    if (!navigator.onLine && !this.end.signal.aborted) {
      this.enter("offline");
      await this.sleep(OFFLINE_MS);
    }
    if (this.end.signal.aborted) throw new UploadError("aborted");
  }

  private async oneRound(): Promise<Answer | undefined> {
    const { chunks, round } = this;
    this.enter("preparing");
    if (chunks.url) {
      await chunks.ask(chunks.url, round.signal);
    } else {
      const signedUrl = (this.signedUrl ??= await this.sign());
      this.enter("uploading");
      if (this.whole && !createOnly(signedUrl)) return this.sendWhole(signedUrl);
      await chunks.open(signedUrl, round.signal);
      if (chunks.url && chunks.trusted) this.record?.save(chunks.url);
    }
    if (!chunks.finished) {
      this.enter("uploading");
      await chunks.sendMissing((chunks.url ?? this.signedUrl) as string, round);
    }
    return chunks.finished;
  }

  private sendWhole(signedUrl: string): Promise<Answer> {
    const { file, round } = this;
    const onSent = (bytes: number) => this.count(0, bytes);
    return put(signedUrl, { body: file, type: file.type, signal: round.signal, onSent });
  }

  private async sign(): Promise<string> {
    const { url, getUrl } = this.options;
    let signed: unknown;
    try {
      signed = getUrl ? await unlessAborted(getUrl(this.file, this.end.signal), this.end.signal) : url;
    } catch (cause) {
      // That is how fetch says that it got no answer.
      throw new UploadError(cause instanceof TypeError ? "network" : "signing_failed", { cause });
    }
    try {
      if (typeof signed === "string") return new URL(signed, location.href).href;
    } catch {
      // Not a URL.
    }
    throw new UploadError("signing_failed");
  }

  /** Returns when there is to be another round; throws if there is none. */
  private async afterFailure(reason: unknown): Promise<void> {
    if (this.end.signal.aborted) throw new UploadError("aborted");
    if (this.interrupted || !navigator.onLine) return;
    const error = await this.diagnose(reason);
    if (this.gained) this.failures = 0;
    this.gained = false;
    const { chunks, failures, retries } = this;
    const canSign = !!this.options.getUrl;
    const step = nextStep(error, { begun: !!chunks.url, canSign, failures, retries });
    if (step === "fail") throw error;
    if (step === "restart") {
      chunks.url = undefined;
      this.record?.forget();
    }
    if (step !== "wait" && canSign) this.signedUrl = undefined;
    // An empty file has no chunks.
    if (step === "wait" && this.file.size) this.whole = false;
    this.failures++;
    this.enter("retrying", error);
    await this.sleep(delay(this.failures, error.retryAfter));
  }

  /** The network and a file that has gone look alike to a request. */
  private async diagnose(error: unknown): Promise<UploadError> {
    if (!(error instanceof UploadError)) throw error;
    if (error.kind === "network") {
      await this.file.slice(0, 1).arrayBuffer().catch((cause) => {
        throw new UploadError("file_unreadable", { cause });
      });
    }
    return error;
  }

  private count(received: number, onTheWay: number): void {
    if (this.counter.update(received, onTheWay)) this.gained = true;
  }

  private enter(state: UploadState, error?: UploadError): void {
    if (state === this.state) return;
    this.state = state;
    this.options.onState?.(state, error);
  }

  private sleep(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      if (ms !== undefined) setTimeout(resolve, ms);
    });
  }
}

/** A lost answer must not turn a repeat into a conflict: chunks can be repeated, a PUT cannot. */
const createOnly = (url: string) => /[?&]overwrite=false(&|$)/.test(url);

const place = (url: string) => new URL(url, location.href).pathname;
const samePlace = (a: string, b: string) => place(a) === place(b);

function unlessAborted<T>(promise: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(new UploadError("aborted")))),
  ]);
}
