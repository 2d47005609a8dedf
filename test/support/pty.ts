/**
 * A process on a terminal of its own: for tests of what a terminal shows. Bytes in, bytes out; what they mean, and where they go,
 * is the caller's. All that it writes arrives, however soon it ends (kernel/run/terminal.ts says what that takes).
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Namespace } from '../../kernel/netns/netns.js';
import { openTerminal } from '../../kernel/run/terminal.js';

export interface PtyOptions {
  netns?: Namespace;
  env: NodeJS.ProcessEnv;
  /** Size of the terminal in characters, 1 to 65535. */
  columns: number;
  rows: number;
}

export interface PtyProcess {
  readonly pid: number;
  /** Output as it comes. When nobody has asked for any by the time that the process ends, what is left of it is lost. */
  onData(fn: (chunk: Buffer) => void): void;
  write(data: string): void;
  resize(columns: number, rows: number): void;
  /** Sends a signal to the process itself; a process that is gone is no error. */
  kill(signal: NodeJS.Signals): void;
  /** After all output. What ended the process is null unless a signal did. A command that cannot be executed exits with 126 or 127. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts a process as the leader of a session with a new terminal. Throws what openTerminal throws. */
export function startPty(command: string, args: readonly string[], options: PtyOptions): PtyProcess {
  const terminal = openTerminal(options);
  // setsid(1) becomes the command: what node starts leads no process group.
  const fork = () => spawn('setsid', ['--ctty', command, ...args], { env: options.env, stdio: [terminal.slave, terminal.slave, terminal.slave] });
  const child = options.netns ? options.netns.within(fork) : fork();
  const shown = once(terminal.output, 'end');
  const exited = new Promise<Awaited<PtyProcess['exited']>>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      terminal.finish();
      // What nobody reads has no end.
      if (terminal.output.listenerCount('data') === 0) terminal.output.resume();
      void shown.then(() => resolve({ code, signal }), reject);
    });
  });
  return {
    pid: child.pid ?? 0,
    exited,
    onData: (fn) => void terminal.output.on('data', fn),
    write: (data) => void terminal.input.write(data),
    resize: (columns, rows) => terminal.resize(columns, rows),
    kill: (signal) => void child.kill(signal),
  };
}
