/**
 * What travels in the WebSocket of an attached process (`run`, `exec`).
 *
 *   client                                   agent
 *   start { request }                 →
 *                                     ←      started { taskId }     or  error, and the end
 *   [0] stdin bytes, at most WINDOW   →
 *   ahead of what was consumed        ←      consumed { bytes }
 *   resize, signal, stdin-end         →
 *                                     ←      [1] stdout bytes, [2] stderr bytes
 *                                     ←      exit { code }          or  error, and the end
 *
 * Data are binary messages with the channel in their first byte; everything else is JSON text. Stdin has a window of its
 * own instead of leaning on the socket's back-pressure: a process that does not read its input must hide neither a signal
 * nor the end of the client. Output leans on the socket: the agent waits for each message to leave.
 */
import { constants } from 'node:os';
import type { TerminalSize } from '../control.js';

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;
export type Channel = typeof STDIN | typeof STDOUT | typeof STDERR;

/** Bytes of stdin that may be under way. */
export const WINDOW = 256 * 1024;
/** Longest data frame, in bytes of payload. */
export const MAX_CHUNK = 64 * 1024;

/** A message that the other side should not have sent. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

export interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  /** Of a command that could not be executed, as a shell has it: 126, 127. */
  readonly exitCode?: number;
}

export type ClientMessage =
  | { readonly type: 'start'; readonly request: unknown }
  | { readonly type: 'resize'; readonly size: TerminalSize }
  | { readonly type: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly type: 'stdin-end' };

export type ServerMessage =
  | { readonly type: 'started'; readonly taskId: string }
  | { readonly type: 'consumed'; readonly bytes: number }
  | { readonly type: 'exit'; readonly code: number }
  | { readonly type: 'error'; readonly error: ErrorBody };

export function dataFrame(channel: Channel, bytes: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(bytes.length + 1);
  frame[0] = channel;
  frame.set(bytes, 1);
  return frame;
}

/** `bytes` is a view of the frame, not a copy. Throws FrameError. */
export function parseDataFrame(frame: Buffer): { channel: Channel; bytes: Buffer } {
  const channel = frame[0];
  if (channel !== STDIN && channel !== STDOUT && channel !== STDERR) throw new FrameError(`unknown channel ${String(channel)}`);
  return { channel, bytes: frame.subarray(1) };
}

/** Pieces of at most MAX_CHUNK bytes, in order. */
export function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += MAX_CHUNK) yield bytes.subarray(at, at + MAX_CHUNK);
}

/** Throws FrameError. */
export function parseClientMessage(text: string): ClientMessage {
  const message = parseObject(text);
  switch (message['type']) {
    case 'start':
      return { type: 'start', request: message['request'] };
    case 'resize':
      return { type: 'resize', size: parseSize(message['size']) };
    case 'signal':
      return { type: 'signal', signal: parseSignal(message['signal']) };
    case 'stdin-end':
      return { type: 'stdin-end' };
    default:
      throw new FrameError(`unknown message type ${JSON.stringify(message['type'])}`);
  }
}

/** Throws FrameError. */
export function parseServerMessage(text: string): ServerMessage {
  const message = parseObject(text);
  const { type, taskId, bytes, code, error } = message;
  if (type === 'started' && typeof taskId === 'string') return { type, taskId };
  if (type === 'consumed' && typeof bytes === 'number') return { type, bytes };
  if (type === 'exit' && typeof code === 'number') return { type, code };
  if (type === 'error' && isErrorBody(error)) return { type, error };
  throw new FrameError(`unknown message type ${JSON.stringify(type)}`);
}

export function isErrorBody(value: unknown): value is ErrorBody {
  if (typeof value !== 'object' || value === null) return false;
  const { code, message } = value as Record<string, unknown>;
  return typeof code === 'string' && typeof message === 'string';
}

/** Columns and rows from 1 to 65535 (struct winsize holds 16 bits). Throws FrameError. */
export function parseSize(value: unknown): TerminalSize {
  const { columns, rows } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (!isExtent(columns) || !isExtent(rows)) throw new FrameError('a terminal size needs columns and rows from 1 to 65535');
  return { columns, rows };
}

function isExtent(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65535;
}

function parseSignal(value: unknown): NodeJS.Signals {
  if (typeof value === 'string' && Object.hasOwn(constants.signals, value)) return value as NodeJS.Signals;
  throw new FrameError(`unknown signal ${JSON.stringify(value)}`);
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FrameError('a text message is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FrameError('a text message is not a JSON object');
  return value as Record<string, unknown>;
}
