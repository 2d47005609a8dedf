/**
 * The streams, size and end of a launched command as an ExecSession, which is what the API attaches a client to.
 */
import { finished, type Readable } from 'node:stream';
import type { ExecSession, TerminalSize } from '../control.js';
import type { LaunchedStreams } from './launch.js';

/**
 * A background process of the command may keep its streams open for ever. They are given up this long after the command's
 * end, or later if what was written before is still being read.
 */
const LINGER_MS = 500;

export interface SessionOptions {
  readonly taskId: string;
  readonly streams: LaunchedStreams;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** The command's exit code, as soon as it has one. */
  readonly exited: Promise<number>;
}

export function makeSession({ taskId, streams, kill, exited }: SessionOptions): ExecSession {
  const { stdin, stdout, stderr, terminal } = streams;
  return {
    taskId,
    stdin,
    stdout,
    stderr,
    resize: (size: TerminalSize) => terminal?.resize(size.columns, size.rows),
    kill,
    exited: exited.then(async (code) => {
      await Promise.all([drained(stdout), stderr && drained(stderr)]);
      return code;
    }),
  };
}

/** Resolves when the stream has ended, or is held open by somebody although all that was written has been read. */
function drained(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    let idle = false;
    const timer = setInterval(() => {
      if (idle && stream.readableLength === 0) stream.destroy();
      idle = stream.readableLength === 0;
    }, LINGER_MS / 2);
    finished(stream, { writable: false }, () => {
      clearInterval(timer);
      resolve();
    });
  });
}
