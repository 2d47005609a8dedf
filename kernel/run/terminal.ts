/**
 * A pseudo-terminal (pts(4)) without a process on it. Whoever starts a process gives it `slave` as its streams, closes that
 * with `started()`, and decides whether the terminal becomes the process's controlling one (setsid(1) --ctty), which is what
 * makes Ctrl-C reach it. Kept apart from starting the process, so that helpers on the way to the real program need not be in
 * the terminal's session, where Ctrl-C would end them.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { TIOCGPTN, TIOCSPTLCK, TIOCSWINSZ } from '../ffi/constants.js';
import { ioctl } from '../ffi/libc.js';

export interface Terminal {
  /** Descriptor of the process's side. Ours to close. */
  readonly slave: number;
  /** What is typed. Ending it changes nothing: on a terminal, Ctrl-D is the end. */
  readonly input: Writable;
  /** What is shown. Ends when no process has the terminal open any more. */
  readonly output: PassThrough;
  /** In characters, 1 to 65535. The foreground processes get SIGWINCH. No effect once closed. */
  resize(columns: number, rows: number): void;
  /** The process has its own copies of `slave` now: closes ours. */
  started(): void;
  /** Takes the terminal away from who is still on it: they get SIGHUP. */
  close(): void;
}

/** Throws the error of open(2), SystemError. */
export function openTerminal(size: { readonly columns: number; readonly rows: number }): Terminal {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
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
  #slaveOpen = true;

  constructor(
    private readonly master: number,
    readonly slave: number,
  ) {
    const stream = new ReadStream(master);
    this.#stream = stream;
    stream.pipe(this.output);
    // The last process gone shows as end-of-file or as EIO, whichever the kernel comes to first.
    stream.on('error', () => this.output.end());
    stream.on('close', () => this.output.end());
    this.input = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (stream.destroyed) done();
        else stream.write(chunk, () => done());
      },
    });
  }

  resize(columns: number, rows: number): void {
    if (!this.#stream.destroyed) setSize(this.master, columns, rows);
  }

  started(): void {
    if (!this.#slaveOpen) return;
    this.#slaveOpen = false;
    closeSync(this.slave);
  }

  close(): void {
    this.started();
    this.#stream.destroy();
  }
}

/** struct winsize, include/uapi/asm-generic/termios.h: rows, columns, and two that nobody uses. */
function setSize(master: number, columns: number, rows: number): void {
  ioctl(master, TIOCSWINSZ, new Uint8Array(Uint16Array.of(rows, columns, 0, 0).buffer), 'terminal');
}
