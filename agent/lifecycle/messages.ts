/**
 * What the processes of one agent say to each other over their IPC channels about starting and stopping: the outer process
 * and the inner one (whose channel the gateway uses too, with messages of its own), a detached agent and the command that
 * started it.
 */
import type { ChildProcess } from 'node:child_process';
import type { Mode } from './modes.js';

/** An agent that has started and answers on its socket. */
export interface ReadyAgent {
  readonly name: string;
  readonly mode: Mode;
  /** The process that a signal can be sent to. */
  readonly pid: number;
  readonly socket: string;
  readonly stateDirectory: string;
  readonly log: string;
  /** What commands need to find it, see Paths. */
  readonly stateOption: string;
  /** Why it does not run in the mode that it would rather have run in. Its log has it, too. */
  readonly remark?: string;
}

export type LifecycleMessage =
  | { readonly lifecycle: 'ready'; readonly agent?: ReadyAgent }
  | { readonly lifecycle: 'failed'; readonly message: string; readonly stack?: string }
  | { readonly lifecycle: 'shutdown' };

/** Undefined for a message that is not about this. Both ends are the same program, so the shape is trusted. */
export function asLifecycleMessage(message: unknown): LifecycleMessage | undefined {
  return typeof message === 'object' && message !== null && 'lifecycle' in message ? (message as LifecycleMessage) : undefined;
}

export function failedMessage(error: unknown): LifecycleMessage {
  if (!(error instanceof Error)) return { lifecycle: 'failed', message: String(error) };
  return { lifecycle: 'failed', message: error.message, ...(error.stack === undefined ? {} : { stack: error.stack }) };
}

/** The agent did not start, or died; the message says why. The stack is that of the process where it happened. */
export class AgentFailedError extends Error {
  override readonly name = 'AgentFailedError';

  static from({ message, stack }: { readonly message: string; readonly stack?: string }): AgentFailedError {
    const error = new AgentFailedError(message);
    if (stack !== undefined) error.stack = stack;
    return error;
  }
}

/** Tells the process at the other end of this one's channel, and waits until it is sent. No channel: nothing to tell. */
export function tellParent(message: LifecycleMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    // A parent that is gone shows in 'disconnect'; here it is no error.
    else process.send(message, undefined, undefined, () => resolve());
  });
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** `ended with exit code 3`, `was ended by SIGKILL`. */
export function endText({ code, signal }: ProcessEnd): string {
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}

/** Milliseconds that a dead child's channel has to close. */
const CHANNEL_LINGER = 1000;

/**
 * When the child has ended and its last message was heard: 'exit' may come first. The channel closes with the process,
 * unless a descendant of it has inherited it; that one is not waited for. Never resolves for a child that did not start.
 */
export function whenEnded(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      const end = (): void => resolve({ code, signal });
      if (!child.connected) return void setImmediate(end);
      const linger = setTimeout(end, CHANNEL_LINGER);
      child.once('disconnect', () => {
        clearTimeout(linger);
        setImmediate(end);
      });
    });
  });
}
