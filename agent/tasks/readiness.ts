/**
 * When a task without a health command may take part in balancing: as soon as something in it listens. Otherwise the first
 * connections after a start, or after scaling up, would be refused.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../../proxy/time/clock.js';
import { parseSocketTable, type SocketEntry } from './socket-table.js';

export interface ReadinessOptions {
  /** A process of the task, in the agent's pid namespace. */
  readonly pid: number;
  readonly clock: Clock;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Milliseconds after which a task counts as ready although nothing listens: it may only be a client. Default 10 s. */
  readonly timeout?: number;
}

/** Why the waiting ended. `gone`: there is no such process any more. */
export type Readiness = 'listening' | 'timeout' | 'gone' | 'aborted';

const TIMEOUT_MS = 10_000;
const POLL_MIN_MS = 20;
const POLL_MAX_MS = 250;

/** 127.0.0.11, where the agent itself answers DNS in every task. */
const NAME_SERVER = '7f00000b';
const DNS_PORT = 53;

/** True when one of the sockets can take traffic: TCP that listens, UDP that is bound and not connected to one peer. */
export function takesTraffic(tcp: readonly SocketEntry[], udp: readonly SocketEntry[]): boolean {
  const ours = (entry: SocketEntry): boolean => entry.address === NAME_SERVER && entry.port === DNS_PORT;
  return tcp.some((entry) => entry.listening && !ours(entry)) || udp.some((entry) => entry.port !== 0 && !entry.connected && !ours(entry));
}

/** Never rejects. */
export async function waitUntilListening(options: ReadinessOptions): Promise<Readiness> {
  const { pid, clock, signal } = options;
  const deadline = clock.now() + (options.timeout ?? TIMEOUT_MS);
  for (let wait = POLL_MIN_MS; !signal.aborted; wait = Math.min(wait * 2, POLL_MAX_MS)) {
    const tcp = socketsOf(pid, 'tcp');
    const udp = socketsOf(pid, 'udp');
    if (!tcp || !udp) return 'gone';
    if (takesTraffic(tcp, udp)) return 'listening';
    const left = deadline - clock.now();
    if (left <= 0) return 'timeout';
    await pause(Math.min(wait, left), clock, signal);
  }
  return 'aborted';
}

/** Undefined when the process is gone. */
function socketsOf(pid: number, protocol: 'tcp' | 'udp'): SocketEntry[] | undefined {
  try {
    return parseSocketTable(readFileSync(`/proc/${pid}/net/${protocol}`, 'latin1')).concat(sixOf(pid, protocol));
  } catch {
    return undefined;
  }
}

/** A kernel without IPv6 has no such file. */
function sixOf(pid: number, protocol: 'tcp' | 'udp'): SocketEntry[] {
  try {
    return parseSocketTable(readFileSync(`/proc/${pid}/net/${protocol}6`, 'latin1'));
  } catch {
    return [];
  }
}

function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener('abort', done);
  });
}
