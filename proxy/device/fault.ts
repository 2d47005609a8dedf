/**
 * A device that loses, doubles and swaps the frames that arrive through it, the same way for the same seed. Writes pass
 * untouched: for faults in both directions, wrap both ends.
 */
import type { PacketDevice } from './device.js';

export interface Faults {
  /** 32 bits; the same seed over the same frames makes the same faults. */
  readonly seed: number;
  /** Chance of each, 0 to 1, for one frame; loss is drawn first, then duplication, then reordering. */
  readonly loss?: number;
  readonly duplication?: number;
  /** The frame comes after the one behind it, or when nothing is behind it. */
  readonly reorder?: number;
}

export class FaultDevice implements PacketDevice {
  readonly counts = { lost: 0, duplicated: 0, reordered: 0 };
  readonly #inner: PacketDevice;
  readonly #faults: Required<Faults>;
  /** Frames to hand out before the inner device is asked again. */
  readonly #ready: Uint8Array[] = [];
  #held: Uint8Array | undefined;
  #random: number;

  constructor(inner: PacketDevice, faults: Faults) {
    this.#inner = inner;
    this.#faults = { loss: 0, duplication: 0, reorder: 0, ...faults };
    this.#random = faults.seed | 0;
  }

  read(frame: Uint8Array): number {
    for (;;) {
      const ready = this.#ready.shift();
      if (ready) return handOut(ready, frame);
      const length = this.#inner.read(frame);
      if (length <= 0) return this.#release(frame, length);
      if (this.#draw(this.#faults.loss)) {
        this.counts.lost++;
        continue;
      }
      if (this.#draw(this.#faults.duplication)) {
        this.counts.duplicated++;
        this.#ready.push(frame.slice(0, length));
      }
      if (!this.#held && this.#draw(this.#faults.reorder)) {
        this.counts.reordered++;
        this.#held = frame.slice(0, length);
        continue;
      }
      if (this.#held) {
        this.#ready.push(this.#held);
        this.#held = undefined;
      }
      return length;
    }
  }

  write(frame: Uint8Array, length: number): number {
    return this.#inner.write(frame, length);
  }

  close(): void {
    this.#held = undefined;
    this.#ready.length = 0;
    this.#inner.close();
  }

  /** Nothing is behind the frame that is held back: now it comes. An error of the device comes first. */
  #release(frame: Uint8Array, length: number): number {
    const held = this.#held;
    if (!held || length < 0) return length;
    this.#held = undefined;
    return handOut(held, frame);
  }

  #draw(chance: number): boolean {
    if (chance <= 0) return false;
    // mulberry32: 32 bits of state, enough to draw faults with.
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 < chance;
  }
}

function handOut(from: Uint8Array, to: Uint8Array): number {
  to.set(from);
  return from.length;
}
