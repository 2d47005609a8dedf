/**
 * Memory for pieces of packets: a fixed number of chunks, of which a piece takes as many as it needs. What is taken is
 * therefore known at any time, and no piece, however small, is had for less than a chunk. Nothing is allocated after construction.
 *
 * A piece is a run of bytes of one datagram's payload, `start` to `end`, and is known by its first chunk. Pieces of one
 * datagram are chained by the caller through `next`.
 */

/** Byte by byte: a view of a part, which `set` would want, is an allocation. */
export function copyBytes(from: Uint8Array, at: number, into: Uint8Array, to: number, length: number): void {
  for (let i = 0; i < length; i++) into[to + i] = from[at + i]!;
}

/** Holds a full-sized fragment of an ordinary link. */
export const CHUNK = 2048;

export class PieceStore {
  /** By piece: of its bytes, in the datagram's payload. */
  readonly start: Int32Array;
  readonly end: Int32Array;
  /** By piece: the datagram's next, -1 for none. */
  readonly next: Int32Array;
  readonly #bytes: Uint8Array;
  /** By chunk: the piece's next, -1 for none; of free chunks the next free one. */
  readonly #continued: Int32Array;
  #free = 0;
  #available: number;

  /** @param size bytes, rounded down to chunks; at least one */
  constructor(size: number) {
    const chunks = Math.floor(size / CHUNK);
    this.#bytes = new Uint8Array(chunks * CHUNK);
    this.start = new Int32Array(chunks);
    this.end = new Int32Array(chunks);
    this.next = new Int32Array(chunks);
    this.#continued = Int32Array.from({ length: chunks }, (_, chunk) => (chunk + 1 < chunks ? chunk + 1 : -1));
    this.#available = chunks;
  }

  /** Free chunks. */
  get available(): number {
    return this.#available;
  }

  /** Chunks that a piece of `length` bytes takes; at least one. */
  static chunksFor(length: number): number {
    return Math.max(1, Math.ceil(length / CHUNK));
  }

  /** Copies `length` bytes from `from[at]`, which begin at `start` in the payload. The caller has seen that there are chunks. */
  store(from: Uint8Array, at: number, length: number, start: number): number {
    const piece = this.#free;
    let last = piece;
    let taken = 0;
    for (let chunk = piece; ; chunk = this.#continued[chunk]!) {
      last = chunk;
      this.#available -= 1;
      copyBytes(from, at + taken, this.#bytes, chunk * CHUNK, Math.min(CHUNK, length - taken));
      taken += CHUNK;
      if (taken >= length) break;
    }
    this.#free = this.#continued[last]!;
    this.#continued[last] = -1;
    this.start[piece] = start;
    this.end[piece] = start + length;
    this.next[piece] = -1;
    return piece;
  }

  /** Copies a piece to `into[at]`. */
  load(piece: number, into: Uint8Array, at: number): void {
    let left = this.end[piece]! - this.start[piece]!;
    for (let chunk = piece; left > 0; chunk = this.#continued[chunk]!) {
      copyBytes(this.#bytes, chunk * CHUNK, into, at, Math.min(CHUNK, left));
      at += CHUNK;
      left -= CHUNK;
    }
  }

  /** Whether a piece holds the same bytes as `from[at…]`. */
  equals(piece: number, from: Uint8Array, at: number): boolean {
    const bytes = this.#bytes;
    let left = this.end[piece]! - this.start[piece]!;
    for (let chunk = piece; left > 0; chunk = this.#continued[chunk]!) {
      for (let i = 0; i < CHUNK && i < left; i++) {
        if (bytes[chunk * CHUNK + i] !== from[at + i]) return false;
      }
      at += CHUNK;
      left -= CHUNK;
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
