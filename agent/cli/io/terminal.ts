/**
 * This process's terminal, lent to a process elsewhere: raw mode while it lasts, its size as it changes, and both put back
 * whatever happens. Without a terminal: pipes, and signals that are passed on.
 */
import { once } from 'node:events';
import type { ExecRequest, ExecSession, TerminalSize } from '../../control.js';
import { CommandFailure } from '../context.js';

/** Throws CommandFailure when input or output is not a terminal. */
export function terminalSize(): TerminalSize {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new CommandFailure('-t needs a terminal, and this input or output is none', 'leave -t out');
  }
  return currentSize();
}

function currentSize(): TerminalSize {
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}

const PASSED_ON: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];
/** So many interrupts that the process ignores, and the user wants out. */
const ENOUGH = 3;

/** Resolves with the exit code when the process has ended and all of its output is written. */
export async function attach(session: ExecSession, request: ExecRequest): Promise<number> {
  const restore = request.terminal ? takeTerminal(session) : passSignalsOn(session);
  try {
    if (session.stdin) feed(session.stdin);
    const outputs = [copy(session.stdout, process.stdout)];
    if (session.stderr) outputs.push(copy(session.stderr, process.stderr));
    const [code] = await Promise.all([session.exited, ...outputs]);
    return code;
  } finally {
    restore();
    process.stdin.pause();
  }
}

function takeTerminal(session: ExecSession): () => void {
  const onResize = (): void => session.resize(currentSize());
  const leave = (): void => void process.stdin.setRawMode(false);
  const onSignal = (signal: NodeJS.Signals): void => {
    leave();
    process.exit(signal === 'SIGHUP' ? 129 : 143);
  };
  if (session.stdin) process.stdin.setRawMode(true);
  process.stdout.on('resize', onResize);
  process.on('exit', leave);
  process.on('SIGTERM', onSignal);
  process.on('SIGHUP', onSignal);
  return () => {
    leave();
    process.stdout.off('resize', onResize);
    process.off('exit', leave);
    process.off('SIGTERM', onSignal);
    process.off('SIGHUP', onSignal);
  };
}

function passSignalsOn(session: ExecSession): () => void {
  let interrupts = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT' && ++interrupts >= ENOUGH) process.exit(130); // the agent hangs up on the process
    session.kill(signal);
  };
  for (const signal of PASSED_ON) process.on(signal, onSignal);
  return () => {
    for (const signal of PASSED_ON) process.off(signal, onSignal);
  };
}

/** A process that ends, or closes its input, while we still have some is no error: see its exit code. */
function feed(stdin: NodeJS.WritableStream): void {
  stdin.on('error', () => process.stdin.pause());
  process.stdin.pipe(stdin);
}

async function copy(from: NodeJS.ReadableStream, to: NodeJS.WriteStream): Promise<void> {
  for await (const chunk of from) {
    if (!to.write(chunk)) await once(to, 'drain');
  }
}
