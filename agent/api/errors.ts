/**
 * How an error becomes an HTTP status and a body `{ error: { code, message, remedy? } }`, and nothing else: a stack or a
 * path inside the agent never leaves it.
 */
import type { ControlErrorCode } from '../control.js';
import { NotFoundError } from '../../overlay/model/errors.js';
import type { ErrorBody } from './frames.js';

export const STATUS: Readonly<Record<ControlErrorCode, number>> = {
  'not-found': 404,
  conflict: 409,
  invalid: 400,
  unavailable: 503,
  internal: 500,
};

/** Errors of the folders below that carry no code of their own, by their stable names. */
const CODE_OF_NAME: Readonly<Record<string, ControlErrorCode>> = {
  AddressError: 'invalid',
  FrameError: 'invalid',
  ListenError: 'conflict',
  StoreError: 'unavailable',
  TaskStartError: 'invalid',
  TaskEndedError: 'conflict',
};

/** A request that is refused here, before the agent is asked. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code = 'invalid';
}

export interface Failure {
  readonly status: number;
  readonly error: ErrorBody & { readonly code: ControlErrorCode };
}

/** Total: anything thrown has an answer. @param url of what was asked */
export function failureOf(thrown: unknown, url = ''): Failure {
  if (!(thrown instanceof Error)) return { status: 500, error: { code: 'internal', message: String(thrown) } };
  const { code: ownCode, remedy, statusCode, exitCode } = thrown as { code?: unknown; remedy?: unknown; statusCode?: unknown; exitCode?: unknown };
  const code = isCode(ownCode) ? ownCode : (CODE_OF_NAME[thrown.name] ?? codeOfStatus(statusCode));
  const advice = typeof remedy === 'string' ? remedy : thrown instanceof NotFoundError ? whereToLook(thrown, url) : undefined;
  return { status: STATUS[code], error: { code, message: thrown.message, ...(advice === undefined ? {} : { remedy: advice }), ...(typeof exitCode === 'number' ? { exitCode } : {}) } };
}

/** The model knows nothing of commands. A service is seldom what one forgot to create; a network is, unless it was itself asked for. */
function whereToLook({ kind, ref }: NotFoundError, url: string): string {
  const look = `see 'vipmesh ${kind} ls'`;
  return kind === 'network' && !url.startsWith('/v1/networks/') ? `${look}, or create it: vipmesh network create ${ref}` : look;
}

/** The HTTP library's own refusals (a body that is not JSON, or too long) carry a status. */
function codeOfStatus(status: unknown): ControlErrorCode {
  if (status === 404) return 'not-found';
  return typeof status === 'number' && status >= 400 && status < 500 ? 'invalid' : 'internal';
}

function isCode(value: unknown): value is ControlErrorCode {
  return typeof value === 'string' && Object.hasOwn(STATUS, value);
}

