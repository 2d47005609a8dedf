/**
 * A process on a terminal of its own: for tests of what a terminal shows; the product makes its own (kernel/run/terminal.ts). Bytes in, bytes out; what they mean, and where they go,
 * is the caller's.
 */
import pty from '@lydell/node-pty';
import type { Namespace } from '../../kernel/netns/netns.js';

export interface PtyOptions {
  netns?: Namespace;
  env: NodeJS.ProcessEnv;
  /** Size of the terminal in characters, 1 to 65535. */
  columns: number;
  rows: number;
}

export interface PtyProcess {
  readonly pid: number;
  /** Output as it comes. Register before the next turn of the event loop: what comes before is lost. */
  onData(fn: (chunk: Buffer) => void): void;
  write(data: string): void;
  resize(columns: number, rows: number): void;
  /** Sends a signal to the process itself; a process that is gone is no error. */
  kill(signal: NodeJS.Signals): void;
  /** `signal` is 0 unless one ended it. A command that cannot be executed exits with 1. */
  readonly exited: Promise<{ code: number; signal: number }>;
}

/** Starts a process as the leader of a session with a new terminal. Throws what forkpty(3) fails with. */
export function startPty(command: string, args: readonly string[], options: PtyOptions): PtyProcess {
  const fork = (): pty.IPty =>
    pty.spawn(command, [...args], {
      env: options.env,
      cols: options.columns,
      rows: options.rows,
      encoding: null,
      name: options.env.TERM ?? 'xterm',
    });
  const terminal = options.netns ? options.netns.within(fork) : fork();
  let gone = false;
  const exited = new Promise<{ code: number; signal: number }>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      gone = true;
      resolve({ code: exitCode, signal: signal ?? 0 });
    });
  });
  return {
    pid: terminal.pid,
    exited,
    // With encoding null the chunks are Buffers, whatever the declared type says.
    onData: (fn) => void terminal.onData((chunk) => fn(chunk as unknown as Buffer)),
    write: (data) => terminal.write(data),
    resize(columns, rows) {
      if (!gone) terminal.resize(columns, rows);
    },
    kill(signal) {
      if (gone) return;
      try {
        process.kill(terminal.pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    },
  };
}
