import type { UploadError } from "../errors.js";
import type { UploadProgress, UploadState } from "../types.js";
import { make } from "./dom.js";
import { type IconName, icon } from "./icons.js";
import type { Texts } from "./texts.js";

/** Larger images would take long to decode for a picture of 44 pixels. */
const THUMBNAIL_BYTES_MAX = 30_000_000;
/** Images that every browser shows. An SVG is left out: it can be slow at will. */
const THUMBNAIL_TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"];

export type RowState = UploadState | "waiting";
export type Action = "pause" | "resume" | "cancel" | "retry" | "remove";

const ACTIONS: Record<Action, IconName> = { pause: "pause", resume: "resume", retry: "retry", cancel: "close", remove: "close" };
const RUNNING: RowState[] = ["preparing", "uploading", "retrying", "offline"];

/** Which buttons a file has. */
const offered = (state: RowState, again: boolean): Action[] => {
  if (state === "done") return ["remove"];
  if (state === "failed") return again ? ["retry", "remove"] : ["remove"];
  if (state === "paused") return ["resume", "cancel"];
  return RUNNING.includes(state) ? ["pause", "cancel"] : ["cancel"];
};

/** One file in the list. */
export class Row {
  readonly element: HTMLLIElement;
  private readonly status = make("span");
  private readonly fill = make("div", { className: "fill", part: "fill" });
  private readonly bar: HTMLElement;
  private readonly buttons = new Map<Action, HTMLButtonElement>();
  private readonly marks = { done: icon("done"), failed: icon("failed") };
  private picture?: string;

  constructor(
    private readonly file: File,
    private readonly texts: Texts,
    act: (action: Action) => void,
  ) {
    this.bar = make("div", {
      className: "bar",
      part: "bar",
      role: "progressbar",
      "aria-label": file.name,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    }, this.fill);
    const status = make("span", { className: "status", part: "status" }, this.marks.done, this.marks.failed, this.status);
    const middle = make("div", { className: "middle" }, this.name(), status, this.bar);
    this.element = make("li", { part: "item" }, this.thumbnail(), middle, this.actions(act));
  }

  show(state: RowState, progress: UploadProgress, error?: UploadError): void {
    const { texts } = this;
    const percent = progress.total ? Math.floor((100 * progress.sent) / progress.total) : 0;
    this.element.dataset.state = state;
    this.element.setAttribute("part", `item ${state}`);
    this.status.textContent =
      state === "waiting" ? texts.waiting : state === "failed" && error ? texts.error(error) : texts.state(state, progress);
    this.fill.style.width = `${percent}%`;
    this.bar.setAttribute("aria-valuenow", String(percent));
    this.bar.setAttribute("aria-valuetext", `${percent} %`);
    this.marks.done.classList.toggle("shown", state === "done");
    this.marks.failed.classList.toggle("shown", state === "failed");
    this.offer(offered(state, !!error?.passing || error?.kind === "signing_failed" || !!error?.kind.endsWith("_expired")));
  }

  /** Where the focus goes when a neighbour is removed. */
  focus(): void {
    [...this.buttons.values()].find((button) => !button.hidden)?.focus();
  }

  remove(): void {
    if (this.picture) URL.revokeObjectURL(this.picture);
    this.element.remove();
  }

  private offer(actions: Action[]): void {
    const focused = [...this.buttons.values()].find((button) => button.matches(":focus"));
    for (const [action, button] of this.buttons) button.hidden = !actions.includes(action);
    // A button that goes away hands the focus to the one in its place.
    if (focused?.hidden) this.focus();
  }

  /** A name that is too long loses the end of its stem, never the extension. */
  private name(): HTMLElement {
    const { name } = this.file;
    const dot = name.lastIndexOf(".");
    const at = dot > 0 && name.length - dot <= 8 ? dot : name.length;
    const stem = make("span", { className: "stem" }, name.slice(0, at));
    return make("span", { className: "name", part: "name", title: name }, stem, make("span", {}, name.slice(at)));
  }

  private thumbnail(): HTMLElement {
    const { file } = this;
    const frame = make("div", { className: "thumbnail", part: "thumbnail" }, icon("file"));
    if (THUMBNAIL_TYPES.includes(file.type) && file.size <= THUMBNAIL_BYTES_MAX) {
      this.picture = URL.createObjectURL(file);
      const image = make("img", { alt: "", decoding: "async", src: this.picture });
      image.onload = () => frame.replaceChildren(image);
    }
    return frame;
  }

  private actions(act: (action: Action) => void): HTMLElement {
    for (const [action, name] of Object.entries(ACTIONS) as [Action, IconName][]) {
      const label = `${this.texts[action]} ${this.file.name}`;
      const button = make("button", { type: "button", part: `action ${action}`, "aria-label": label, title: this.texts[action] }, icon(name));
      button.onclick = () => act(action);
      this.buttons.set(action, button);
    }
    return make("div", { className: "actions" }, ...this.buttons.values());
  }
}
