/**
 * Makes connection tracking of a namespace remember UDP flows for longer than its settings say, without changing those. Each packet of a
 * flow sets its time anew to what the settings say, so who wants a silent flow to be known has to say so again after each.
 */
import fs from 'node:fs';
import { EBUSY, EEXIST, ENOENT } from '../ffi/constants.js';
import { SystemError } from '../ffi/libc.js';
import type { Namespace } from '../netns/netns.js';
import { exchange } from '../netlink/socket.js';
import { OffloadError } from '../offload/error.js';
import { encodeEntries, failuresIn, type Prolonged, type Remembered } from './netlink.js';

/** Messages at once: their answers, if all fail, have room in the socket. */
const BATCH = 64;

/**
 * ENOENT: gone already. EBUSY: known better than we say, and its time was changed before that was found (ctnetlink_change_conntrack). EEXIST: its
 * replies are those of another flow.
 */
const NO_FAILURE: ReadonlySet<number> = new Set([ENOENT, EBUSY, EEXIST]);

/** Lets others work between batches. Throws OffloadError. */
export async function remember(namespace: Namespace, entries: readonly (Remembered | Prolonged)[]): Promise<void> {
  for (let at = 0; at < entries.length; at += BATCH) {
    const failed = send(namespace, encodeEntries(entries.slice(at, at + BATCH)));
    if (failed !== undefined) throw new OffloadError(`flows cannot be kept where they are: ${failed.message}`, 'load the module with `modprobe nf_conntrack_netlink` if it is missing');
    await new Promise(setImmediate);
  }
}

function send(namespace: Namespace, messages: Uint8Array): Error | undefined {
  try {
    for (const bytes of exchange(namespace, messages)) {
      const failed = failuresIn(bytes).find((errno) => !NO_FAILURE.has(errno));
      if (failed !== undefined) throw new SystemError('conntrack', failed, namespace.name);
    }
    return undefined;
  } catch (error) {
    if (error instanceof SystemError) return error;
    throw error;
  }
}

/** Seconds after which a UDP flow may be forgotten that says nothing; undefined: nothing is tracked here, or it does not say. */
export function forgetsUdpAfter(namespace: Namespace): number | undefined {
  const values = ['udp_timeout', 'udp_timeout_stream'].map((name) => read(namespace, name));
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** Flows that are tracked there; 0 where nothing is. */
export function flowCount(namespace: Namespace): number {
  return read(namespace, 'count') ?? 0;
}

function read(namespace: Namespace, name: string): number | undefined {
  try {
    return Number(namespace.within(() => fs.readFileSync(`/proc/sys/net/netfilter/nf_conntrack_${name}`, 'utf8')));
  } catch {
    return undefined;
  }
}
