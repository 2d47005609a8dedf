/**
 * Bytes to lines of text, whatever way the bytes are cut. A line is bounded: a longer one comes in pieces.
 */
const NEWLINE = 0x0a;

/** Longest line, in bytes. */
export const MAX_LINE_BYTES = 16 * 1024;

export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  constructor(private readonly limit = MAX_LINE_BYTES) {}

  /** Complete lines, without their newline. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const end = bytes.indexOf(NEWLINE);
      const length = end < 0 ? bytes.length : end;
      if (length > this.limit) {
        const cut = characterBoundary(bytes, this.limit);
        lines.push(bytes.toString('utf8', 0, cut));
        bytes = bytes.subarray(cut);
      } else if (end >= 0) {
        lines.push(bytes.toString('utf8', 0, end));
        bytes = bytes.subarray(end + 1);
      } else {
        break;
      }
    }
    // A copy: the caller may use its buffer again.
    this.#rest = Buffer.from(bytes);
    return lines;
  }

  /** What has come of a line without its newline yet, if anything. It is taken for complete. */
  flush(): string[] {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest.length > 0 ? [rest.toString('utf8')] : [];
  }
}

/** The largest offset up to `limit` that does not cut a UTF-8 character (at most 3 continuation bytes back). */
function characterBoundary(bytes: Buffer, limit: number): number {
  for (let cut = limit; cut > limit - 4 && cut > 0; cut--) {
    if (((bytes[cut] ?? 0) & 0xc0) !== 0x80) return cut;
  }
  return limit;
}
