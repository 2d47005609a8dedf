/**
 * Parses /proc/PID/net/{tcp,tcp6,udp,udp6} (proc(5); net/ipv4/tcp_ipv4.c, get_tcp4_sock and get_openreq4): the sockets of a
 * network namespace, as text. The kernel goes through the whole host's table of connections for these, which takes some
 * milliseconds; counting the sockets costs it next to nothing (net/ipv4/proc.c, sockstat_seq_show).
 */
import { endianness } from 'node:os';

export interface SocketEntry {
  /** As 4 or 16 bytes in network order, in hexadecimal. */
  readonly address: string;
  /** 0: not bound to a port. */
  readonly port: number;
  /** Address of the other end, in the same form; zeroes when there is none. */
  readonly peer: string;
  /** True when it is connected to a peer. */
  readonly connected: boolean;
  /** TCP: waits for connections. UDP: never. */
  readonly listening: boolean;
}

/** TCP_ESTABLISHED and TCP_LISTEN, include/net/tcp_states.h. UDP uses the first for a connected socket. */
const ESTABLISHED = 0x01;
const LISTEN = 0x0a;

/** Lines that are no socket (the heading) are left out. `order` is the byte order of the kernel that wrote the text. */
export function parseSocketTable(text: string, order: 'LE' | 'BE' = endianness()): SocketEntry[] {
  const entries: SocketEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line);
    if (!match) continue;
    const [, address = '', port = '', peer = '', state = ''] = match;
    const code = Number.parseInt(state, 16);
    entries.push({
      address: networkOrder(address, order),
      port: Number.parseInt(port, 16),
      peer: networkOrder(peer, order),
      connected: code === ESTABLISHED,
      listening: code === LISTEN,
    });
  }
  return entries;
}

/** Sums up /proc/PID/net/{sockstat,sockstat6}: the TCP and UDP sockets of a network namespace that have a port. */
export function countSockets(text: string): number {
  let count = 0;
  for (const [, inUse] of text.matchAll(/^(?:TCP|UDP)6?: inuse (\d+)/gm)) count += Number(inUse);
  return count;
}

/** The kernel prints an address as 32-bit words in its own byte order. */
function networkOrder(hex: string, order: 'LE' | 'BE'): string {
  const lower = hex.toLowerCase();
  if (order === 'BE') return lower;
  return lower.replace(/(..)(..)(..)(..)/g, '$4$3$2$1');
}
