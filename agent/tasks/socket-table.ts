/**
 * Parses /proc/PID/net/{tcp,tcp6,udp,udp6} (proc(5); net/ipv4/tcp_ipv4.c, get_tcp4_sock and get_openreq4): the sockets of a
 * network namespace, as text.
 */
import { endianness } from 'node:os';

export interface SocketEntry {
  /** As 4 or 16 bytes in network order, in hexadecimal. */
  readonly address: string;
  /** 0: not bound to a port. */
  readonly port: number;
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
    const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) (?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line);
    if (!match) continue;
    const [, address = '', port = '', state = ''] = match;
    const code = Number.parseInt(state, 16);
    entries.push({
      address: networkOrder(address, order),
      port: Number.parseInt(port, 16),
      connected: code === ESTABLISHED,
      listening: code === LISTEN,
    });
  }
  return entries;
}

/** The kernel prints an address as 32-bit words in its own byte order. */
function networkOrder(hex: string, order: 'LE' | 'BE'): string {
  const lower = hex.toLowerCase();
  if (order === 'BE') return lower;
  return lower.replace(/(..)(..)(..)(..)/g, '$4$3$2$1');
}
