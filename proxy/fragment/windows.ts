/**
 * Copies of parts of a frame that allocate nothing. `set` copies a whole array and so wants a view of the part, which is an
 * object; a loop over the bytes is 40 times slower. So a frame is seen as windows of a fixed size whose views are made once,
 * whole windows are copied, and `copyWithin` moves what is needed of them where it belongs.
 */

/** Bytes of a window. Holds a full-sized packet of an ordinary link. */
export const WINDOW = 2048;

/** Views of `bytes[0..2048)`, `bytes[2048..4096)`, …; the last may be shorter. */
export function windowsOf(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / WINDOW) }, (_, i) => bytes.subarray(i * WINDOW, (i + 1) * WINDOW));
}

/** The windows of the array that was asked about last: a worker has one frame and uses it for every packet. */
export class WindowCache {
  #of: Uint8Array | undefined;
  #windows: readonly Uint8Array[] = [];

  of(bytes: Uint8Array): readonly Uint8Array[] {
    if (this.#of !== bytes) {
      this.#of = bytes;
      this.#windows = windowsOf(bytes);
    }
    return this.#windows;
  }
}
