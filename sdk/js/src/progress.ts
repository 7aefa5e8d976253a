import type { UploadProgress } from "./types.js";

/**
 * Counts bytes, and holds what it has shown: what is on its way can be lost, and an upload can have
 * to begin again, but a bar that runs backwards tells nobody anything.
 */
export class Progress {
  shown: UploadProgress;

  constructor(
    total: number,
    private readonly changed: (progress: UploadProgress) => void,
  ) {
    this.shown = { received: 0, sent: 0, total };
  }

  /** Whether the server has more than ever before. */
  update(received: number, onTheWay = 0): boolean {
    const before = this.shown;
    const { total } = before;
    const gained = received > before.received;
    const sent = Math.min(total, Math.max(before.sent, received + onTheWay));
    if (!gained && sent === before.sent) return false;
    this.shown = { received: Math.max(before.received, received), sent, total };
    this.changed(this.shown);
    return gained;
  }
}
