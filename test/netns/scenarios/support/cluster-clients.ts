/**
 * Clients in a cluster: who answers them.
 */
import assert from 'node:assert/strict';
import type { ClusterNode } from '../../../support/cluster-node.js';
import { SOON } from '../../../support/cluster.js';
import { pollUntil } from '../../../support/poll-until.js';

/** A program that asks each URL once, on a connection of its own; an answer is a line. */
export function curl(...urls: string[]): [string, ...string[]] {
  return ['curl', '-sS', '--max-time', '10', '--no-keepalive', '--header', 'Connection: close', ...urls];
}

export function times(count: number, url: string): string[] {
  return Array.from({ length: count }, () => url);
}

/** The first words of lines, each once, in order: of answers, the tasks that gave them. */
export function firstWords(lines: string): string[] {
  return [...new Set(lines.trim().split('\n').map((line) => line.split(' ')[0] ?? ''))].sort();
}

/** Waits until requests from a node's host, to a URL, are answered by exactly these tasks. */
export async function answeredBy(from: ClusterNode, url: string, ids: readonly string[], count = 2 * ids.length): Promise<void> {
  const wanted = [...ids].sort();
  await pollUntil(`${url} from ${from.name} is answered by ${wanted.join()}`, async () => {
    assert.deepEqual(firstWords(await from.exec(...curl(...times(count, url)))), wanted);
    return true;
  }, { ...SOON, interval: 200 });
}

/** Waits until nobody listens there. */
export async function refusedAt(from: ClusterNode, url: string): Promise<void> {
  // curl: could not connect.
  await pollUntil(`${url} from ${from.name} is refused`, async () => (await from.attempt(...curl(url))).code === 7, { ...SOON, interval: 200 });
}
