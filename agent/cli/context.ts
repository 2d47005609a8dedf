/**
 * What a command works with: where it writes, whom it asks, and when it should stop. Made once by main.ts; tests make
 * their own.
 */
import type { AgentClient } from '../api/client.js';

export interface Context {
  /** Writes to stdout as it is. */
  write(text: string): void;
  /** Writes to stderr as it is. */
  warn(text: string): void;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** Milliseconds since the epoch, for ages. */
  wall(): number;
  /** Connects lazily: the first request finds out whether an agent is there. */
  client(): Promise<AgentClient>;
  /** Aborts when the user wants to leave (SIGINT, SIGTERM), for commands that go on until then. */
  interrupted(): AbortSignal;
  /** The process goes on when nobody reads its output any more; others end with their reader (`| head`). */
  outliveReader(): void;
  /** The exit code when nothing fails; 0 unless a command sets it (that of the process which was run). */
  exitCode: number;
}

/** A command that failed for a reason that it has found itself: exit code 1. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
  }
}
