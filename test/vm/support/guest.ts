/**
 * A guest: user-mode-linux (Debian's, a kernel with IPVS), which runs commands one after another and tells how each ended.
 * Which scenarios it runs, and how a test fails, is run-in-guest.ts's.
 *
 * The kernel's console is a pipe, on which it says little until it panics. Commands and their output go over a serial line
 * (ttyS0), between lines that begin with a word which nobody else can know. The kernel is a process, with helpers, on a test
 * host: it ends with this process, however that ends.
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { startOnHost } from '../../support/host.js';
import { kernelCommand, quote, serveCommands } from './init.js';

export interface GuestOptions {
  /** MiB; 1024 by default. */
  memory?: number;
  /** Milliseconds in which it must be up; 120,000 by default. */
  bootTimeout?: number;
}

/** The guest did not start, died, or was stopped since it was too slow. With the console's last lines. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}

export interface Outcome {
  readonly code: number;
  /** Standard output and error, as they came. */
  readonly output: string;
}

const LAST_LINES = 40;

export class Guest {
  readonly #kernel: ChildProcess;
  readonly #line: Duplex;
  readonly #token: string;
  /** Ends when the kernel does. */
  readonly ended: Promise<string>;
  #console = '';
  /** Of the serial line, from the command that runs on. */
  #received = '';
  #commands = 0;
  #waiting: { pattern: RegExp; resolve: (match: RegExpExecArray) => void } | undefined;

  /** Starts a guest and waits until it takes commands. Throws GuestError. */
  static async boot({ memory = 1024, bootTimeout = 120_000 }: GuestOptions = {}): Promise<Guest> {
    const guest = new Guest(memory);
    await guest.#says('ready', 0, bootTimeout, 'its start');
    return guest;
  }

  private constructor(memory: number) {
    this.#token = `guest-${randomBytes(8).toString('hex')}`;
    const command = kernelCommand(serveCommands(this.#token), memory, ['con0=null,fd:1', 'ssl0=fd:3,fd:3']);
    this.#kernel = startOnHost('root', command, ['ignore', 'pipe', 'pipe', 'pipe']);
    const keep = (chunk: string): void => void (this.#console = (this.#console + chunk).slice(-100_000));
    this.#kernel.stdout?.setEncoding('utf8').on('data', keep);
    this.#kernel.stderr?.setEncoding('utf8').on('data', keep);
    this.#line = this.#kernel.stdio[3] as Duplex;
    // A kernel that dies takes its end of the line along; that it ended says what matters.
    this.#line.on('error', () => undefined);
    this.#line.setEncoding('utf8').on('data', (chunk: string) => {
      this.#received += chunk;
      this.#look();
    });
    this.ended = new Promise((resolve) => {
      this.#kernel.on('error', (error) => resolve(error.message));
      this.#kernel.on('close', (code, signal) => resolve(signal ?? `exit code ${code ?? '?'}`));
    });
  }

  /** Process id, on this machine, of what holds the whole guest. */
  get pid(): number {
    return this.#kernel.pid ?? 0;
  }

  /**
   * Runs a command on a test host inside the guest, as root. One at a time. A guest that takes longer than `timeout`
   * milliseconds is stopped. Throws GuestError.
   */
  async run(command: readonly string[], timeout: number): Promise<Outcome> {
    const number = ++this.#commands;
    this.#received = '';
    this.#line.write(`${number} ${command.map(quote).join(' ')}\n`);
    const match = await this.#says('end', number, timeout, command.join(' '));
    return { code: Number(match[1]), output: this.#received.slice(0, match.index).replaceAll('\r\n', '\n') };
  }

  /** Ends the guest, and waits for it. */
  async close(): Promise<void> {
    this.#kernel.kill('SIGKILL');
    await this.ended;
  }

  async #says(word: string, number: number, timeout: number, what: string): Promise<RegExpExecArray> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => (timer = setTimeout(() => resolve(`took more than ${timeout / 1000} s`), timeout)));
    const said = new Promise<RegExpExecArray>((resolve) => {
      this.#waiting = { pattern: new RegExp(`\\n${this.#token} ${word} ${number} (\\d+)\\n`), resolve };
      this.#look();
    });
    try {
      const result = await Promise.race([said, late, this.ended.then((reason) => `the kernel ended (${reason})`)]);
      if (typeof result !== 'string') return result;
      const output = this.#received;
      await this.close();
      throw new GuestError(`${what}: ${result}. Output so far:\n${output}\nThe console's last lines:\n${this.#lastLines()}`);
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
    }
  }

  #look(): void {
    const match = this.#waiting?.pattern.exec(this.#received);
    if (match) this.#waiting?.resolve(match);
  }

  #lastLines(): string {
    return this.#console.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  }
}
