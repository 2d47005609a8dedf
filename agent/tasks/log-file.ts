/**
 * The output of one task, as a file that the task writes by itself: its stdout and stderr are the file, opened to append, so
 * neither the agent's load nor its death ever blocks the writer or loses a line. The price is that the agent can only tidy up
 * behind it: once a second it looks whether the file has outgrown its bound, and then drops the older half.
 *
 * Positions of readers are kept as if nothing had ever been dropped (`base` bytes have), so a reader follows across that.
 * All reads are small and synchronous: a read never meets a file that is half-way through being shortened.
 */
import { closeSync, constants, existsSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock, type Clock } from '../../proxy/time/clock.js';
import { LineSplitter } from './lines.js';

export interface LogFileOptions {
  /** Bytes above which the older half is dropped. Default 10 MiB. */
  readonly maxBytes?: number;
  readonly clock?: Clock;
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024;
const BLOCK = 64 * 1024;
const CHECK_MS = 1000;
/** A follower looks this often: the first while something comes, the second at the latest. */
const POLL_MIN_MS = 25;
const POLL_MAX_MS = 200;

export class LogFile {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** For the writers. -1 once closed. */
  #appender: number;
  /**
   * For everything else: with O_APPEND, Linux appends even what is written at a given position (pwrite(2), BUGS). -1 once closed, but for
   * as long as somebody reads: a node remembers many more tasks than it runs, and may open only so many files.
   */
  #file: number;
  #readers = 0;
  /** Bytes dropped so far. */
  #base = 0;
  #cancelCheck: () => void = () => undefined;
  readonly #followers = new Set<() => void>();
  #removed = false;

  /** Opens or makes the file (0600) and its directory. Throws what open(2) fails with. */
  constructor(
    readonly path: string,
    options: LogFileOptions = {},
  ) {
    this.#clock = options.clock ?? systemClock;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    mkdirSync(dirname(path), { recursive: true });
    this.#appender = openSync(path, 'a', 0o600);
    this.#file = openSync(path, constants.O_RDWR);
    this.#watchSize();
  }

  /** The descriptor that a task gets as stdout and stderr. */
  get fd(): number {
    return this.#appender;
  }

  /** Adds a line of the agent's own. */
  append(line: string): void {
    if (this.#appender >= 0) writeSync(this.#appender, `${line}\n`);
  }

  /** No more will be written: followers end after what there is. What there is can still be read. */
  close(): void {
    if (this.#appender < 0) return;
    this.#cancelCheck();
    this.shorten();
    closeSync(this.#appender);
    this.#appender = -1;
    if (this.#readers === 0) this.#closeFile();
    for (const wake of this.#followers) wake();
  }

  /** Closes, and deletes the file. Nothing can be read any more. */
  remove(): void {
    if (this.#removed) return;
    this.close();
    this.#removed = true;
    this.#closeFile();
    try {
      unlinkSync(this.path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** The lines there are, or the last `tail` of them. An unfinished last line is one. */
  async *read(tail?: number): AsyncIterable<string> {
    this.#hold();
    try {
      yield* this.#readThrough(tail);
    } finally {
      this.#letGo();
    }
  }

  async *#readThrough(tail: number | undefined): AsyncIterable<string> {
    const lines = new LineSplitter();
    let position = this.#tailStart(tail);
    const end = this.#end();
    while (position < end) {
      const chunk = this.#readAt(position, end - position);
      if (chunk.length === 0) break;
      position = Math.max(position, this.#base) + chunk.length;
      for (const line of lines.push(chunk)) yield line;
      // Lets others run: a whole log may be megabytes.
      await new Promise((resolve) => setImmediate(resolve));
    }
    yield* lines.flush();
  }

  /** As read, and then each line as it comes, within 0.2 s, until the log is closed or `signal` aborted. */
  async *follow(signal: AbortSignal, tail?: number): AsyncIterable<string> {
    this.#hold();
    try {
      yield* this.#followOn(signal, tail);
    } finally {
      this.#letGo();
    }
  }

  async *#followOn(signal: AbortSignal, tail: number | undefined): AsyncIterable<string> {
    const lines = new LineSplitter();
    let position = this.#tailStart(tail);
    let wait = POLL_MIN_MS;
    while (!signal.aborted) {
      const closed = this.#appender < 0;
      // Somebody emptied the file (a task may: `echo > /dev/stderr` does): what comes now is new.
      if (position > this.#end()) position = this.#base;
      const chunk = this.#readAt(position, BLOCK);
      if (chunk.length > 0) {
        wait = POLL_MIN_MS;
        position = Math.max(position, this.#base) + chunk.length;
        for (const line of lines.push(chunk)) {
          yield line;
          if (signal.aborted) return;
        }
      } else if (closed) {
        yield* lines.flush();
        return;
      } else {
        await this.#pause(wait, signal);
        wait = Math.min(wait * 2, POLL_MAX_MS);
      }
    }
  }

  /** Drops the older half, up to the end of a line, when there is more than the bound. */
  shorten(): void {
    const size = this.#size();
    if (size <= this.#maxBytes) return;
    const from = this.#lineStart(size - Math.floor(this.#maxBytes / 2));
    // The kept part moves to the front, then the rest of the file is cut off. What is written meanwhile is at the end, so it
    // is moved too; only what comes between the last look and the cut, some microseconds, is lost.
    const block = Buffer.alloc(BLOCK * 4);
    let to = 0;
    for (;;) {
      const length = readSync(this.#file, block, 0, block.length, from + to);
      // A writer as fast as this would keep us here for ever.
      if (length === 0 || to > this.#maxBytes) break;
      writeSync(this.#file, block, 0, length, to);
      to += length;
    }
    ftruncateSync(this.#file, to);
    this.#base += from;
  }

  #watchSize(): void {
    this.#cancelCheck = this.#clock.after(CHECK_MS, () => {
      this.shorten();
      this.#watchSize();
    });
  }

  /** For a reader. A file that somebody has deleted has no lines. */
  #hold(): void {
    this.#readers++;
    if (this.#file >= 0 || !existsSync(this.path)) return;
    this.#file = openSync(this.path, 'r');
  }

  #letGo(): void {
    this.#readers--;
    if (this.#readers === 0 && this.#appender < 0) this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #size(): number {
    return this.#file < 0 ? 0 : fstatSync(this.#file).size;
  }

  #end(): number {
    return this.#base + this.#size();
  }

  /** At most BLOCK bytes from a reader's position, or from the oldest byte that is left after it. */
  #readAt(position: number, most: number): Buffer {
    if (this.#file < 0) return Buffer.alloc(0);
    const chunk = Buffer.alloc(Math.min(BLOCK, most));
    return chunk.subarray(0, readSync(this.#file, chunk, 0, chunk.length, Math.max(position - this.#base, 0)));
  }

  /** File offset of the first line that starts at `offset` or after; `offset` itself when it is inside a very long line. */
  #lineStart(offset: number): number {
    const block = Buffer.alloc(BLOCK);
    const length = readSync(this.#file, block, 0, BLOCK, offset - 1);
    const newline = block.subarray(0, length).indexOf(0x0a);
    return newline < 0 ? offset : offset + newline;
  }

  /** Reader's position from which on there are `tail` lines. */
  #tailStart(tail: number | undefined): number {
    if (tail === undefined) return this.#base;
    const size = this.#size();
    if (tail <= 0) return this.#base + size;
    let wanted = tail;
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - BLOCK);
      const block = this.#readAt(this.#base + start, end - start);
      for (let index = block.length - 1; index >= 0; index--) {
        // The newline that ends the last line starts no other.
        if (block[index] === 0x0a && start + index !== size - 1 && --wanted === 0) return this.#base + start + index + 1;
      }
      end = start;
    }
    return this.#base;
  }

  #pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        this.#followers.delete(done);
        resolve();
      };
      const cancel = this.#clock.after(ms, done);
      signal.addEventListener('abort', done);
      this.#followers.add(done);
    });
  }
}
