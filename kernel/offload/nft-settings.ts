/**
 * What connection tracking of a sandbox is told: how long a silent flow is kept, and what it lets through. And whether there
 * is room for more flows.
 */
import fs from 'node:fs';
import { setSysctl } from '../netns/links.js';
import type { Namespace } from '../netns/netns.js';
import type { OffloadPlan } from './driver.js';
import { OffloadError } from './error.js';

const PREFIX = 'net/netfilter/nf_conntrack';

/**
 * A task's own TIME_WAIT lasts 60 s (TCP_TIMEWAIT_LEN); after that its end of the connection is free again. The kernel's timers of that
 * length may be 5.12 s late (kernel/time/timer.c: 512 ticks of 100 Hz), and a source port that is given away before then loses its SYN. Seconds.
 */
const TIME_WAIT = 66;

/** Of the entries that there may be, how many may be there: beyond that, packets are lost that userspace would have carried. */
const FULL = 0.95;

/**
 * By sysctl. CLOSE_WAIT is a connection of which one half is closed and the other in use, for as long as it likes. be_liberal: what
 * is outside of the window is translated like the rest; without it, it would reach userspace, which would answer with a RST.
 */
export function settingsOf({ established, closing, udp }: OffloadPlan['timeouts']): ReadonlyMap<string, number> {
  const timeouts: Readonly<Record<string, number>> = {
    tcp_timeout_established: established,
    tcp_timeout_close_wait: established,
    tcp_timeout_unacknowledged: established,
    tcp_timeout_syn_sent: closing,
    tcp_timeout_syn_recv: closing,
    tcp_timeout_fin_wait: closing,
    tcp_timeout_last_ack: closing,
    tcp_timeout_time_wait: Math.min(TIME_WAIT, closing),
    udp_timeout: udp,
    udp_timeout_stream: udp,
  };
  return new Map(Object.entries({ ...timeouts, tcp_be_liberal: 1, acct: 1 }).map(([key, value]) => [`${PREFIX}_${key}`, value]));
}

/** Throws OffloadError when a setting cannot be had. */
export function applySettings(namespace: Namespace, settings: ReadonlyMap<string, number>): void {
  for (const [key, value] of settings) {
    if (read(namespace, key) === `${value}`) continue;
    try {
      setSysctl(namespace, key, `${value}`);
    } catch (error) {
      throw new OffloadError(`${key.replaceAll('/', '.')} cannot be set in ${namespace.name}: ${(error as Error).message}`, 'load nf_conntrack, and let the agent write its sysctls');
    }
  }
}

/** A sentence for each that somebody has changed. */
export function describeSettings(namespace: Namespace, settings: ReadonlyMap<string, number>): string[] {
  return [...settings].flatMap(([key, value]) => {
    const there = read(namespace, key);
    return there === `${value}` ? [] : [`${key.replaceAll('/', '.')} is ${there ?? 'gone'}, not ${value}`];
  });
}

/** That new flows would soon be dropped, or undefined. */
export function fullness(namespace: Namespace): OffloadError | undefined {
  const [count, most] = ['count', 'max'].map((name) => Number(read(namespace, `${PREFIX}_${name}`) ?? 'NaN')) as [number, number];
  if (!(count >= most * FULL)) return undefined;
  return new OffloadError(`connection tracking is full: ${count} of ${most} flows in ${namespace.name}`, `raise net.netfilter.nf_conntrack_max on the host`);
}

function read(namespace: Namespace, key: string): string | undefined {
  try {
    return namespace.within(() => fs.readFileSync(`/proc/sys/${key}`, 'utf8')).trim();
  } catch {
    return undefined;
  }
}
