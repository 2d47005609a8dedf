/** Why a request to the agent failed, in words for the person at the terminal. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlErrorCode } from '../control.js';
import { isErrorBody } from './frames.js';

export type ClientErrorCode = ControlErrorCode | 'no-agent' | 'permission' | 'protocol';

export class ClientError extends Error {
  override readonly name = 'ClientError';
  constructor(
    readonly code: ClientErrorCode,
    message: string,
    readonly remedy?: string,
    readonly exitCode?: number,
  ) {
    super(message);
  }
}

/** From an answer's `{ error: { code, message, remedy? } }`. */
export function clientErrorOf(answer: unknown): ClientError {
  const body = typeof answer === 'object' && answer !== null ? (answer as { error?: unknown }).error : undefined;
  if (!isErrorBody(body)) return new ClientError('protocol', 'the answer is an error without a reason: is it a vipmesh agent?');
  return new ClientError(body.code as ControlErrorCode, body.message, body.remedy, body.exitCode);
}

/** The agent that a client means: where it listens, and what else is known of it. */
export interface Target {
  readonly socket: string;
  /** What commands need to find it, e.g. ` --state-dir PATH`. */
  readonly stateOption?: string;
  /** Where its log is if it ran in the background. */
  readonly log?: string;
  /** An answer is not current: the agent's store has been out of reach for that many seconds. */
  readonly onStale?: (seconds: number) => void;
}

/** From a failure to connect, or a connection that broke. */
export function connectionError(error: NodeJS.ErrnoException, target: Target): Error {
  const { socket: socketPath, stateOption = '' } = target;
  if (error.name === 'AbortError') return error;
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTSOCK' || error.code === 'ENOTDIR') {
    return new ClientError('no-agent', `no vipmesh agent answers on ${socketPath}: start one with 'vipmesh up${stateOption}'`, logRemedy(target));
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') return new ClientError('permission', `the agent's socket ${socketPath} may not be opened by uid ${ownUid()}`, accessRemedy(socketPath));
  return new ClientError('unavailable', `the agent on ${socketPath} closed the connection (${error.code ?? error.message})`);
}

/** Milliseconds that an agent which closes its connections has to be gone. */
const GOING = 1000;
const POLL = 25;

/** Why a connection broke in the middle: the agent ended, or it lives and has closed this one. `what` went on over it. */
export async function lostConnection(what: string, target: Target): Promise<ClientError> {
  const deadline = performance.now() + GOING;
  while (await answers(target.socket)) {
    if (performance.now() > deadline) return new ClientError('unavailable', `the agent on ${target.socket} closed the connection: ${what} is no longer attached`);
    await sleep(POLL);
  }
  const remedies = [`see 'vipmesh status${target.stateOption ?? ''}'`, logRemedy(target)].filter((remedy) => remedy !== undefined);
  return new ClientError('unavailable', `the agent ended while ${what} was attached`, remedies.join('; '));
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function logRemedy({ log }: Target): string | undefined {
  return log !== undefined && existsSync(log) ? `the last agent that ran in the background logged to ${log}` : undefined;
}

const ownUid = (): number => process.getuid?.() ?? -1;

function accessRemedy(socketPath: string): string {
  try {
    const { uid, gid, mode } = statSync(socketPath);
    return `it belongs to uid ${uid} and ${groupText(gid)} with mode 0${(mode & 0o777).toString(8)}: run this as uid ${uid}, or join that group`;
  } catch {
    return `its directory may not be searched either: run this as the user who started the agent`;
  }
}

function groupText(gid: number): string {
  try {
    const line = readFileSync('/etc/group', 'utf8').split('\n').find((entry) => entry.split(':')[2] === String(gid));
    if (line !== undefined) return `group ${line.split(':')[0] ?? ''} (gid ${gid})`;
  } catch {
    // Without the file the number must do.
  }
  return `gid ${gid}`;
}
