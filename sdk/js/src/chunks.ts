import { UploadError } from "./errors.js";
import { type Range, length, putBack, sum, takeFront } from "./ranges.js";
import { type Answer, put } from "./request.js";

const MIB = 1_048_576;
/**
 * The first chunk is small and goes alone: a refusal costs little, and is seen before the rest is on
 * its way.
 */
const FIRST_BYTES = MIB / 4;
const LEAST_BYTES = MIB / 4;
/** The server takes 10,000 parts; the rest is left for retries with other cuts. */
const MOST_CHUNKS = 9_000;

/** The chunks of a file: what is missing, and how it is sent. */
export class Chunks {
  readonly mostBytes: number;
  /** The upload's own URL, which goes on working when the signed one has expired. */
  url?: string;
  /**
   * Whether what the server has is known to be of this file. If the signed URL had an upload
   * already, it may be of another file: then everything is sent, and the server compares.
   */
  trusted = true;
  /** The answer with the File, once there is one that counts. */
  finished?: Answer;

  private readonly leastBytes: number;
  /** Bytes of the next chunk: adapts to the network. */
  private bytes: number;
  private missing: Range[] = [];
  private readonly onTheWay = new Map<Range, number>();

  constructor(
    private readonly file: Blob,
    chunkSize: number,
    private readonly parallel: number,
    private readonly count: (received: number, onTheWay: number) => void,
  ) {
    this.leastBytes = Math.max(LEAST_BYTES, Math.ceil(file.size / MOST_CHUNKS));
    this.mostBytes = Math.max(this.leastBytes, chunkSize);
    this.bytes = this.mostBytes;
  }

  /** Begins an upload with its first chunk. */
  async open(signedUrl: string, signal: AbortSignal): Promise<void> {
    this.missing = [[0, this.file.size - 1]];
    this.trusted = false;
    const first = takeFront(this.missing, FIRST_BYTES) as Range;
    const { status, body } = await this.send(signedUrl, first, signal);
    if (status !== 202) return;
    this.trusted = body.received === length(first);
    // Host and path are those that were just reached, whatever the server calls itself.
    this.url = new URL(new URL(body.url).search, signedUrl).href;
  }

  /** Asks the server what is missing. */
  async ask(url: string, signal: AbortSignal): Promise<void> {
    const answer = await put(url, { range: `bytes */${this.file.size}`, signal });
    if (this.trusted && answer.status === 202) this.missing = answer.body.missing;
    this.examine(answer);
    this.recount();
    if (!this.finished && !this.missing.length) throw new UploadError("upload_completing", { status: 503 });
  }

  /** Several chunks at once, until nothing is missing or one fails. */
  async sendMissing(url: string, round: AbortController): Promise<void> {
    const stop = new AbortController();
    const lane = async () => {
      let chunk: Range | undefined;
      while (!stop.signal.aborted && (chunk = takeFront(this.missing, this.bytes))) {
        await this.send(url, chunk, round.signal);
      }
    };
    const guarded = () =>
      lane().catch((error) => {
        stop.abort();
        // What others are sending still counts, unless nothing does any more.
        if (!error.passing) round.abort(error);
        throw error;
      });
    const ends = await Promise.allSettled(Array.from({ length: this.parallel }, guarded));
    if (this.finished) return;
    round.signal.throwIfAborted();
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  private async send(url: string, chunk: Range, signal: AbortSignal): Promise<Answer> {
    const [first, last] = chunk;
    const { size, type } = this.file;
    const onSent = (bytes: number) => {
      this.onTheWay.set(chunk, Math.min(bytes, length(chunk)));
      this.recount();
    };
    onSent(0);
    try {
      const range = `bytes ${first}-${last}/${size}`;
      const answer = await put(url, { body: this.file.slice(first, last + 1), type, range, signal, onSent });
      this.bytes = Math.min(this.mostBytes, this.bytes * 2);
      this.onTheWay.delete(chunk);
      this.examine(answer);
      return answer;
    } catch (error) {
      // What breaks off is lost: on a bad network small chunks get through.
      this.bytes = Math.max(this.leastBytes, Math.ceil(this.bytes / 2));
      this.onTheWay.delete(chunk);
      this.missing = putBack(this.missing, chunk);
      throw error;
    } finally {
      this.recount();
    }
  }

  /** A File does not prove that it is this one, until all of this one was compared with it. */
  private examine(answer: Answer): void {
    const all = !this.missing.length && !this.onTheWay.size;
    if (answer.status !== 202 && (this.trusted || all)) this.finished = answer;
  }

  private recount(): void {
    const onTheWay = [...this.onTheWay.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.count(this.file.size - sum(this.missing) - sum([...this.onTheWay.keys()]), onTheWay);
  }
}
