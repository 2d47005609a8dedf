/**
 * Connections that other nodes have to a task, as its own sockets tell: this node's balancer does not know them. UDP leaves no trace
 * in a server's sockets, so its flows are not seen.
 */
import { readFileSync } from 'node:fs';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import { parseSocketTable, type SocketEntry } from './socket-table.js';

/** @param peers addresses, of either family, as text @param pid of a process of the task */
export function connectionsFrom(peers: readonly string[], pid: number): number {
  if (peers.length === 0) return 0;
  return countFrom(new Set(peers.map(networkOrder)), [...tableOf(pid, 'tcp'), ...tableOf(pid, 'tcp6')]);
}

/** @param peers as networkOrder has them */
export function countFrom(peers: ReadonlySet<string>, sockets: readonly SocketEntry[]): number {
  return sockets.filter(({ connected, peer }) => connected && peers.has(peer.replace(/^0{20}f{4}/, ''))).length;
}

/** As in a SocketEntry: 4 or 16 bytes, in hexadecimal. */
export function networkOrder(address: string): string {
  const words = address.includes(':') ? parseIpv6(address) : [parseIpv4(address)];
  return words.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

function tableOf(pid: number, name: string): SocketEntry[] {
  try {
    return parseSocketTable(readFileSync(`/proc/${pid}/net/${name}`, 'latin1'));
  } catch {
    // The task has ended, or the kernel has no IPv6.
    return [];
  }
}
