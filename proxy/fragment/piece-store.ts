/**
 * Memory for pieces of packets: a fixed number of chunks, of which a piece takes as many as it needs. What is taken is
 * therefore known at any time, and no piece, however small, is had for less than a chunk. Nothing is allocated after
 * construction: a chunk is a window (windows.ts) of the frame that the piece came in.
 *
 * A piece is a run of bytes of one datagram's payload, `start` to `end`, and is known by its first chunk. Pieces of one
 * datagram are chained by the caller through `next`. They are put together in a draft, and from there copied to a frame.
 */
import { FRAME_SIZE } from '../wire/frame.js';
import { WINDOW, WindowCache, windowsOf } from './windows.js';

export const CHUNK = WINDOW;

export class PieceStore {
  /** By piece: of its bytes, in the datagram's payload. */
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** By piece: the datagram's next, -1 for none. */
  readonly next: Int32Array;
  /** Chunks, then the draft. */
  readonly #bytes: Uint8Array;
  readonly #draft: number;
  readonly #draftWindows: readonly Uint8Array[];
  /** By piece: where in its first chunk it begins. */
  readonly #skip: Int32Array;
  /** By chunk: the piece's next, -1 for none; of free chunks the next free one. */
  readonly #continued: Int32Array;
  readonly #cache = new WindowCache();
  #free = 0;
  #available: number;

  /** @param size bytes, rounded down to chunks; at least one */
  constructor(size: number) {
    const chunks = Math.floor(size / CHUNK);
    this.#draft = chunks * CHUNK;
    this.#bytes = new Uint8Array(this.#draft + FRAME_SIZE);
    this.#draftWindows = windowsOf(this.#bytes.subarray(this.#draft));
    this.start = new Int32Array(chunks);
    this.end = new Int32Array(chunks);
    this.next = new Int32Array(chunks);
    this.#skip = new Int32Array(chunks);
    this.#continued = Int32Array.from({ length: chunks }, (_, chunk) => (chunk + 1 < chunks ? chunk + 1 : -1));
    this.#available = chunks;
  }

  /** Free chunks. */
  get available(): number {
    return this.#available;
  }

  /** Chunks that a piece of `length` bytes, 1 or more, at `frame[at]` takes. */
  static chunksFor(at: number, length: number): number {
    return Math.floor((at + length - 1) / CHUNK) - Math.floor(at / CHUNK) + 1;
  }

  /** Keeps `length` bytes from `frame[at]`, which begin at `start` in the payload. The caller has seen that there are chunks. */
  store(frame: Uint8Array, at: number, length: number, start: number): number {
    const windows = this.#cache.of(frame);
    const piece = this.#free;
    const first = Math.floor(at / CHUNK);
    const chunks = PieceStore.chunksFor(at, length);
    let last = piece;
    for (let i = 0; i < chunks; i++) {
      last = i === 0 ? piece : this.#continued[last]!;
      this.#bytes.set(windows[first + i]!, last * CHUNK);
    }
    this.#available -= chunks;
    this.#free = this.#continued[last]!;
    this.#continued[last] = -1;
    this.#skip[piece] = at - first * CHUNK;
    this.start[piece] = start;
    this.end[piece] = start + length;
    this.next[piece] = -1;
    return piece;
  }

  /** Copies a piece to `at` of the draft. */
  draw(piece: number, at: number): void {
    let left = this.end[piece]! - this.start[piece]!;
    let skip = this.#skip[piece]!;
    let to = this.#draft + at;
    for (let chunk = piece; left > 0; chunk = this.#continued[chunk]!) {
      const size = Math.min(CHUNK - skip, left);
      this.#bytes.copyWithin(to, chunk * CHUNK + skip, chunk * CHUNK + skip + size);
      to += size;
      left -= size;
      skip = 0;
    }
  }

  /** Copies the first `length` bytes of the draft over those of `frame`, and what follows in their last window. It has FRAME_SIZE bytes. */
  copyDraft(frame: Uint8Array, length: number): void {
    for (let i = 0; i * WINDOW < length; i++) frame.set(this.#draftWindows[i]!, i * WINDOW);
  }

  /** Whether a piece holds the same bytes as `frame[at…]`. */
  equals(piece: number, frame: Uint8Array, at: number): boolean {
    const bytes = this.#bytes;
    let left = this.end[piece]! - this.start[piece]!;
    let skip = this.#skip[piece]!;
    for (let chunk = piece; left > 0; chunk = this.#continued[chunk]!) {
      for (; skip < CHUNK && left > 0; skip++, left--) {
        if (bytes[chunk * CHUNK + skip] !== frame[at++]) return false;
      }
      skip = 0;
    }
    return true;
  }

  free(piece: number): void {
    let last = piece;
    for (let chunk = piece; chunk >= 0; chunk = this.#continued[chunk]!) {
      last = chunk;
      this.#available += 1;
    }
    this.#continued[last] = this.#free;
    this.#free = piece;
  }
}
