import { UploadError } from "../errors.js";
import type { Address, TransferOptions, UploadProgress, UploadResult, UploadTask } from "../types.js";
import { upload } from "../upload.js";
import { accepts } from "./accept.js";
import { make } from "./dom.js";
import { icon } from "./icons.js";
import { type Action, Row, type RowState } from "./row.js";
import { type SignHeaders, askToSign } from "./sign.js";
import { STYLE } from "./style.js";
import { TEXTS, type Texts } from "./texts.js";

/** Files on their way at once; the others wait. */
const FILES_AT_ONCE = 3;

interface Item {
  file: File;
  row: Row;
  state: RowState;
  progress: UploadProgress;
  task?: UploadTask;
  result?: UploadResult;
  error?: UploadError;
}

/** On a server there are no elements; importing this there does nothing. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * `<gatepass-upload>`: a drop zone with a list of files. See docs/browser.md for its attributes,
 * events, parts and custom properties.
 */
export class GatepassUpload extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = ["multiple", "accept", "disabled", "label", "hint", "required"];

  /** Gets a signed URL for a file. Without it, the `sign-url` attribute tells whom to ask. */
  getUrl?: Address["getUrl"];
  /** Sent to `sign-url` with the request; the attribute `sign-headers` has them as JSON. */
  signHeaders?: SignHeaders;
  /** Passed on to `upload`; attributes `chunk-size` and `parallel` win. */
  options: Omit<TransferOptions, "signal" | "onProgress" | "onState"> = {};

  private readonly internals = this.attachInternals();
  private readonly input = make("input", { type: "file", hidden: true });
  private readonly title_ = make("b");
  private readonly rest = make("span");
  private readonly hint = make("span", { className: "hint", part: "hint" });
  private readonly zone: HTMLButtonElement;
  private readonly list = make("ul", { part: "list", role: "list" });
  private readonly live = make("div", { className: "unseen", role: "status", "aria-live": "polite" });
  private items: Item[] = [];
  private words: Texts = TEXTS;
  private disabledByForm = false;

  constructor() {
    super();
    const text = make("span", { part: "label" }, this.title_, " ", this.rest, this.hint);
    const badge = make("span", { className: "badge", part: "icon" }, icon("upload"));
    this.zone = make("button", { type: "button", className: "zone", part: "zone" }, badge, text);
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    // Not a <style>, which a strict Content Security Policy would forbid.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.append(this.zone, this.input, this.list, this.live);
    this.listen();
  }

  /** The texts; some or all of them can be set. */
  get texts(): Texts {
    return this.words;
  }
  set texts(texts: Partial<Texts>) {
    this.words = { ...TEXTS, ...texts };
    this.label();
  }

  /** What has been uploaded. */
  get results(): UploadResult[] {
    return this.items.flatMap((item) => (item.result ? [item.result] : []));
  }

  /** Uploads files as if they had been chosen. */
  add(files: Iterable<File>): void {
    const several = this.hasAttribute("multiple");
    const added = several ? [...files] : [...files].slice(0, 1);
    if (!added.length || this.off) return;
    if (!several) for (const item of [...this.items]) this.drop(item);
    this.announce(this.words.announceAdded(added.map((file) => file.name)));
    for (const file of added) this.enlist(file);
    this.next();
  }

  /** Removes all files from the list; those on their way are aborted. */
  clear(): void {
    for (const item of [...this.items]) this.drop(item);
  }

  connectedCallback(): void {
    this.label();
    this.validate();
    this.next();
  }

  disconnectedCallback(): void {
    // It may only have been moved.
    queueMicrotask(() => {
      if (!this.isConnected) for (const item of this.items) this.suspend(item);
    });
  }

  attributeChangedCallback(): void {
    this.label();
    this.validate();
  }

  formDisabledCallback(disabled: boolean): void {
    this.disabledByForm = disabled;
    this.label();
  }

  formResetCallback(): void {
    this.clear();
  }

  private get off(): boolean {
    return this.disabledByForm || this.hasAttribute("disabled");
  }

  private label(): void {
    const { words } = this;
    const several = this.hasAttribute("multiple");
    this.input.multiple = several;
    this.input.accept = this.getAttribute("accept") ?? "";
    this.zone.disabled = this.off;
    this.title_.textContent = this.getAttribute("label") ?? (several ? words.chooseSeveral : words.choose);
    this.rest.textContent = several ? words.dropSeveral : words.drop;
    this.hint.textContent = this.getAttribute("hint") ?? "";
    this.list.setAttribute("aria-label", words.list);
  }

  private listen(): void {
    this.zone.onclick = () => this.input.click();
    this.input.onchange = () => {
      this.add(this.input.files ?? []);
      // The same file may be chosen again.
      this.input.value = "";
    };
    // Moving over a child leaves its parent: only what comes from outside counts.
    const over = (event: DragEvent, on: boolean) => {
      if (on && !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      const shown = on && !this.off;
      this.zone.classList.toggle("over", shown);
      this.rest.textContent = shown ? "" : this.rest.textContent;
      if (shown) this.title_.textContent = this.words.letGo;
      else this.label();
    };
    this.addEventListener("dragenter", (event) => over(event, true));
    this.addEventListener("dragover", (event) => over(event, true));
    this.addEventListener("dragleave", (event) => {
      if (!this.contains(event.relatedTarget as Node | null)) over(event, false);
    });
    this.addEventListener("drop", (event) => {
      over(event, false);
      this.add(event.dataTransfer?.files ?? []);
    });
  }

  private enlist(file: File): void {
    const row = new Row(file, this.words, (action) => this.act(item, action));
    const item: Item = { file, row, state: "waiting", progress: { received: 0, sent: 0, total: file.size } };
    this.items.push(item);
    this.list.append(row.element);
    const refused = this.refuse(file);
    if (refused) this.settle(item, "failed", refused);
    else this.set(item, "waiting");
  }

  /** What the page knows beforehand need not be asked of the server. */
  private refuse(file: File): UploadError | undefined {
    const most = Number(this.getAttribute("max-size") ?? Infinity);
    if (!accepts(this.getAttribute("accept"), file)) return new UploadError("policy_violation", { status: 403, field: "type" });
    if (file.size > most) return new UploadError("too_large", { status: 413, maxBytes: most });
    return undefined;
  }

  /** Starts what is next in line. */
  private next(): void {
    if (!this.isConnected) return;
    const running = this.items.filter((item) => item.task).length;
    const waiting = this.items.filter((item) => item.state === "waiting");
    for (const item of waiting.slice(0, Math.max(0, FILES_AT_ONCE - running))) this.start(item);
  }

  private start(item: Item): void {
    const number = (name: string) => (this.hasAttribute(name) ? { [camel(name)]: Number(this.getAttribute(name)) } : {});
    item.error = undefined;
    const task = upload(item.file, {
      ...this.options,
      ...number("chunk-size"),
      ...number("parallel"),
      getUrl: this.getUrl ?? ((file, signal) => this.sign(file as File, signal)),
      onProgress: (progress) => {
        // A second try learns first what the server has: until then the bar stays.
        if (progress.sent >= item.progress.sent) item.progress = progress;
        this.set(item, item.state);
        this.emit("upload-progress", { source: item.file, ...item.progress });
      },
      onState: (state) => {
        if (item.task !== task || ["done", "failed", "aborted"].includes(state)) return;
        this.set(item, state);
        const said = this.words.announceState(item.file.name, state);
        if (said) this.announce(said);
      },
    });
    item.task = task;
    task
      .then(
        (result) => {
          item.result = result;
          this.settle(item, "done");
        },
        (error) => {
          if (error.kind !== "aborted") this.settle(item, "failed", error);
        },
      )
      .finally(() => {
        if (item.task === task) item.task = undefined;
        this.validate();
        this.next();
      });
  }

  private async sign(file: File, signal: AbortSignal): Promise<string> {
    const headers = this.signHeaders ?? JSON.parse(this.getAttribute("sign-headers") ?? "{}");
    return askToSign(this.getAttribute("sign-url") ?? "", headers, file, signal);
  }

  private settle(item: Item, state: "done" | "failed", error?: UploadError): void {
    const { words } = this;
    const { file, result } = item;
    item.error = error;
    this.set(item, state);
    if (result) {
      this.announce(words.announceDone(file.name));
      this.emit("upload-done", { source: file, ...result });
    } else if (error) {
      this.announce(words.announceFailed(file.name, words.error(error)));
      this.emit("upload-error", { source: file, error });
    }
  }

  private set(item: Item, state: RowState): void {
    item.state = state;
    item.row.show(state, item.progress, item.error);
    this.validate();
  }

  private act(item: Item, action: Action): void {
    if (action === "pause") item.task?.pause();
    else if (action === "resume") item.task?.resume();
    else if (action === "retry") this.retry(item);
    else this.dismiss(item);
  }

  private retry(item: Item): void {
    this.set(item, "waiting");
    this.next();
  }

  /** Stops here; it goes on when the element comes back. */
  private suspend(item: Item): void {
    if (!item.task) return;
    item.task.abort({ keep: true });
    this.set(item, "waiting");
  }

  /** Removes a file by hand: the focus must not be lost. */
  private dismiss(item: Item): void {
    const at = this.items.indexOf(item);
    this.drop(item);
    this.announce(this.words.announceRemoved(item.file.name));
    const neighbour = this.items[at] ?? this.items[at - 1];
    if (neighbour) neighbour.row.focus();
    else this.zone.focus();
  }

  private drop(item: Item): void {
    item.task?.abort();
    item.row.remove();
    this.items = this.items.filter((other) => other !== item);
    this.validate();
    this.emit("upload-removed", { source: item.file });
  }

  /** A form gets the receipts, and is held back while files are on their way. */
  private validate(): void {
    const { internals, words, results } = this;
    const name = this.getAttribute("name");
    const data = new FormData();
    for (const { receipt } of results) if (name && receipt) data.append(name, receipt);
    internals.setFormValue(data);
    const unfinished = this.items.some(({ state }) => !["done", "failed"].includes(state));
    const missing = this.hasAttribute("required") && !results.length;
    if (unfinished) internals.setValidity({ customError: true }, words.unfinished, this.zone);
    else if (missing) internals.setValidity({ valueMissing: true }, words.required, this.zone);
    else internals.setValidity({});
  }

  private announce(text: string): void {
    this.live.textContent = text;
  }

  private emit(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
