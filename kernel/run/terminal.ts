/**
 * A pseudo-terminal (pts(4)) without a process on it. Whoever starts a process gives it `slave` as its streams, says `finish`
 * when it has ended, and decides whether the terminal becomes the process's controlling one (setsid(1) --ctty), which is what
 * makes Ctrl-C reach it. Kept apart from starting the process, so that helpers on the way to the real program need not be in
 * the terminal's session, where Ctrl-C would end them.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { TIOCGPTN, TIOCSPTLCK, TIOCSWINSZ } from '../ffi/constants.js';
import { ioctl } from '../ffi/libc.js';

const BLOCK = 16 * 1024;
/** Far above what a terminal buffers: a process that is left on it and writes without end must not keep us. */
const MOST_UNREAD = 1024 * 1024;
/** What is typed waits this long for a program that has not read what was typed before. */
const TYPE_AGAIN_MS = 10;

export interface Terminal {
  /** Descriptor of the process's side, for its streams. Not for the caller to close. */
  readonly slave: number;
  /** What is typed. Ending it changes nothing: on a terminal, Ctrl-D is the end. */
  readonly input: Writable;
  /** What is shown. Ends with finish(). */
  readonly output: PassThrough;
  /** In characters, 1 to 65535. The foreground processes get SIGWINCH. No effect once finished. */
  resize(columns: number, rows: number): void;
  /**
   * The process has ended: what it has written is still delivered, then the terminal is closed and whoever is left on it gets
   * SIGHUP. Idempotent.
   */
  finish(): void;
}

/** Throws the error of open(2), SystemError. */
export function openTerminal(size: { readonly columns: number; readonly rows: number }): Terminal {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  let slave: number;
  try {
    const number = new Int32Array(1);
    ioctl(master, TIOCSPTLCK, new Uint8Array(number.buffer), '/dev/ptmx');
    ioctl(master, TIOCGPTN, new Uint8Array(number.buffer), '/dev/ptmx');
    setSize(master, size.columns, size.rows);
    slave = openSync(`/dev/pts/${number[0] ?? 0}`, constants.O_RDWR | constants.O_NOCTTY);
  } catch (error) {
    closeSync(master);
    throw error;
  }
  return new PseudoTerminal(master, slave);
}

class PseudoTerminal implements Terminal {
  readonly #stream: ReadStream;
  readonly output = new PassThrough();
  readonly input: Writable;
  #finished = false;

  constructor(
    private readonly master: number,
    readonly slave: number,
  ) {
    const stream = new ReadStream(master);
    this.#stream = stream;
    stream.on('data', this.#onData);
    stream.on('error', () => this.finish());
    this.output.on('drain', () => stream.resume());
    this.output.on('close', () => this.finish());
    this.input = new Writable({ write: (chunk: Buffer, _encoding, done) => this.#type(chunk, done) });
  }

  /** Not through the stream: libuv writes to a master in a loop, and stands still with a program that does not read. */
  #type(chunk: Buffer, done: () => void): void {
    if (this.#finished) return done();
    let written = 0;
    try {
      written = writeSync(this.master, chunk);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return done();
    }
    if (written === chunk.length) return done();
    setTimeout(() => this.#type(chunk.subarray(written), done), TYPE_AGAIN_MS);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.output.write(chunk)) this.#stream.pause();
  };

  resize(columns: number, rows: number): void {
    if (!this.#finished) setSize(this.master, columns, rows);
  }

  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#stream.off('data', this.#onData);
    if (!this.output.destroyed) {
      const read = this.#stream.read() as Buffer | null;
      if (read) this.output.write(read);
      for (const chunk of this.#unread()) this.output.write(chunk);
      this.output.end();
    }
    this.#stream.destroy();
    closeSync(this.slave);
  }

  /**
   * What is in the kernel, without waiting. Our copy of the slave is open until then for its sake: with the last slave closed,
   * libuv takes the hang-up for the end after one partial read and loses the rest.
   */
  *#unread(): Iterable<Buffer> {
    for (let bytes = 0; bytes < MOST_UNREAD; ) {
      const chunk = Buffer.alloc(BLOCK);
      let length: number;
      try {
        length = readSync(this.master, chunk);
      } catch {
        // EAGAIN: that was all.
        return;
      }
      bytes += length;
      yield chunk.subarray(0, length);
    }
  }
}

/** struct winsize, include/uapi/asm-generic/termios.h: rows, columns, and two that nobody uses. */
function setSize(master: number, columns: number, rows: number): void {
  ioctl(master, TIOCSWINSZ, new Uint8Array(Uint16Array.of(rows, columns, 0, 0).buffer), 'terminal');
}
