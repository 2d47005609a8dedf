/**
 * Addresses of peers as Node's sockets tell them: shown to a user, or given to a scheduler.
 */
import { isIpv4, parseIpv4 } from '../net/addr.js';
import { isIpv6, parseIpv6 } from '../net/addr6.js';

/** On a dual-stack socket an IPv4 peer appears as `::ffff:192.0.2.1` (RFC 4291 section 2.5.5.2). */
const MAPPED = '::ffff:';

export function plainAddress(address: string): string {
  return address.startsWith(MAPPED) && isIpv4(address.slice(MAPPED.length)) ? address.slice(MAPPED.length) : address;
}

/** `192.0.2.1:8080` or `[2001:db8::1]:8080`. */
export function formatPeer(address: string, port: number): string {
  const plain = plainAddress(address);
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}

/** A client as schedulers know one, an int32: an IPv4 address, or the exclusive or of the four words of an IPv6 address. */
export function schedulingAddress(address: string): number {
  const plain = plainAddress(address);
  if (isIpv4(plain)) return parseIpv4(plain);
  // A link-local peer comes with its interface: `fe80::1%eth0`. A peer that is gone already has no address.
  const text = plain.split('%', 1)[0]!;
  if (!isIpv6(text)) return 0;
  const [a, b, c, d] = parseIpv6(text);
  return a ^ b ^ c ^ d;
}
