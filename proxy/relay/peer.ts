/**
 * Addresses of peers as Node's sockets tell them: shown to a user, or given to a scheduler.
 */
import { isIpv4, parseIpv4 } from '../net/addr.js';

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

/** A client as schedulers know one, an int32. An IPv6 address is folded into it (FNV-1a over its text). */
export function schedulingAddress(address: string): number {
  const plain = plainAddress(address);
  if (isIpv4(plain)) return parseIpv4(plain);
  let hash = 0x811c9dc5;
  for (let i = 0; i < plain.length; i++) hash = Math.imul(hash ^ plain.charCodeAt(i), 0x01000193);
  return hash | 0;
}
