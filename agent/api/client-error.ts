/** Why a request to the agent failed, in words for the person at the terminal. */
import { readFileSync, statSync } from 'node:fs';
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

/** From a failure to connect, or a connection that broke. */
export function connectionError(error: NodeJS.ErrnoException, socketPath: string): Error {
  if (error.name === 'AbortError') return error;
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTSOCK' || error.code === 'ENOTDIR') {
    return new ClientError('no-agent', `no vipmesh agent answers on ${socketPath}: start one with 'vipmesh up' (as root, or --mode rootless)`);
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') return new ClientError('permission', `the agent's socket ${socketPath} may not be opened by uid ${ownUid()}`, accessRemedy(socketPath));
  return new ClientError('unavailable', `the agent on ${socketPath} closed the connection (${error.code ?? error.message})`);
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
