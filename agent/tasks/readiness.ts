/**
 * When a task without a health command may take part in balancing: as soon as something in it listens. Otherwise the first
 * connections after a start, or after scaling up, would be refused.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../../proxy/time/clock.js';
import { countSockets, parseSocketTable, type SocketEntry } from './socket-table.js';

export interface ReadinessOptions {
  /** A process of the task, in the agent's pid namespace. */
  readonly pid: number;
  readonly clock: Clock;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  /** Milliseconds after which a task counts as ready although nothing listens: it may only be a client. */
  readonly timeout: number;
  /** Which sockets of its network namespace are the task's. Absent: all, it has the namespace to itself. */
  readonly within?: (entry: Pick<SocketEntry, 'address'>) => boolean;
}

/** Why the waiting ended. `gone`: there is no such process any more. */
export type Readiness = 'listening' | 'timeout' | 'gone' | 'aborted';

const TIMEOUT_MS = 10_000;
const POLL_MIN_MS = 20;
const POLL_MAX_MS = 250;

/** 127.0.0.11, where the agent itself answers DNS in every task. */
const NAME_SERVER = '7f00000b';
const DNS_PORT = 53;
/** Its sockets, UDP and TCP. */
const OWN_SOCKETS = 2;

/** True when one of the sockets can take traffic: TCP that listens, UDP that is bound and not connected to one peer. */
export function takesTraffic(tcp: readonly SocketEntry[], udp: readonly SocketEntry[]): boolean {
  const ours = (entry: SocketEntry): boolean => entry.address === NAME_SERVER && entry.port === DNS_PORT;
  return tcp.some((entry) => entry.listening && !ours(entry)) || udp.some((entry) => entry.port !== 0 && !entry.connected && !ours(entry));
}

/**
 * Milliseconds, 0 to 10,000, that a task may still take to listen. One that an earlier agent saw running had that time since
 * `runningSince` (RFC 3339): it is now what it was to that agent. @param wall milliseconds since the epoch
 */
export function timeToListen(runningSince: string | undefined, wall: number): number {
  const passed = runningSince === undefined ? 0 : wall - Date.parse(runningSince);
  return Math.max(0, Math.min(TIMEOUT_MS, TIMEOUT_MS - passed));
}

/** Looks once, whatever the timeout, before it waits. Never rejects. */
export async function waitUntilListening(options: ReadinessOptions): Promise<Readiness> {
  const { pid, clock, signal, timeout, within } = options;
  const deadline = clock.now() + timeout;
  for (let wait = POLL_MIN_MS; !signal.aborted; wait = Math.min(wait * 2, POLL_MAX_MS)) {
    const found = look(pid, within);
    if (found !== 'nothing') return found;
    const left = deadline - clock.now();
    if (left <= 0) return 'timeout';
    await pause(Math.min(wait, left), clock, signal);
  }
  return 'aborted';
}

/** Fifty tasks that never listen are looked at every quarter of a second: the tables are read only when there is something in them. */
function look(pid: number, within: ReadinessOptions['within'] = () => true): 'listening' | 'nothing' | 'gone' {
  if (socketCount(pid) <= OWN_SOCKETS) return 'nothing';
  const tcp = socketsOf(pid, 'tcp');
  const udp = socketsOf(pid, 'udp');
  if (!tcp || !udp) return 'gone';
  return takesTraffic(tcp.filter(within), udp.filter(within)) ? 'listening' : 'nothing';
}

/** Infinity when it cannot be told: the tables will. */
function socketCount(pid: number): number {
  const counts = ['sockstat', 'sockstat6'].map((name) => {
    try {
      return countSockets(readFileSync(`/proc/${pid}/net/${name}`, 'latin1'));
    } catch {
      return undefined;
    }
  });
  // A kernel without IPv6 has no second file.
  return counts[0] === undefined ? Infinity : counts[0] + (counts[1] ?? 0);
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
