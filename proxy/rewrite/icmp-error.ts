/**
 * ICMP errors that quote a packet of a flow: parsed one level deeper, and translated outside and inside (RFC 5508 4).
 *
 * The quoted packet is what its sender sent, as we had rewritten it; the error is of use to the original sender only when
 * the quote shows the packet as *it* sent it. A quote may be as short as the IP header and 8 bytes of L4 (RFC 792), which is
 * enough for the ports. What the error says (3/4 with its MTU, 11, …) is passed on as it is: rewriting changes no length.
 * Which flow is meant is looked up by the caller; an error never ends a flow and never keeps one alive.
 */
import { addSums, delta16, delta32, sumOf, updateChecksum } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import { clearVirtioHeader } from '../wire/virtio.js';

const QUOTED_L4 = 8;

/** The packet inside an error. Made once and reused; every field is valid when `parseQuoted` answered true. */
export class Quoted {
  /** ipv4.TCP or UDP. */
  protocol = 0;
  /** int32 */
  source = 0;
  /** int32 */
  destination = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** Offset in the frame of the quoted IP header. */
  ip = 0;
  /** Offset in the frame of the quoted L4 header; at least 8 bytes are there. */
  l4 = 0;
}

/** False when the quote is too short, or not of a TCP or UDP packet that has ports. `packet` is an ICMP error. */
export function parseQuoted(frame: Frame, packet: Parsed, into: Quoted): boolean {
  const { bytes, view } = frame;
  const ip = packet.l4 + icmp.HEADER;
  const end = packet.l4 + packet.l4Length;
  if (ip + ipv4.HEADER > end || bytes[ip]! >>> 4 !== 4) return false;
  const headerLength = (bytes[ip]! & 15) << 2;
  const l4 = ip + headerLength;
  if (headerLength < ipv4.HEADER || l4 + QUOTED_L4 > end) return false;
  if ((view.getUint16(ip + ipv4.FRAGMENT) & ipv4.FRAGMENT_OFFSET_MASK) !== 0) return false;
  const protocol = bytes[ip + ipv4.PROTOCOL]!;
  if (protocol !== ipv4.TCP && protocol !== ipv4.UDP) return false;
  into.protocol = protocol;
  into.source = view.getInt32(ip + ipv4.SOURCE);
  into.destination = view.getInt32(ip + ipv4.DESTINATION);
  into.sourcePort = view.getUint16(l4);
  into.destinationPort = view.getUint16(l4 + 2);
  into.ip = ip;
  into.l4 = l4;
  return true;
}

/**
 * Rewrites an error in place. The caller has checked the ICMP checksum, which is computed anew here. The quoted IP header's
 * checksum and, where the quote reaches it, the quoted L4 checksum follow their changes.
 * @param ports of the quoted packet, source << 16 | destination
 */
export function translateError(
  frame: Frame,
  packet: Parsed,
  quoted: Quoted,
  outerSource: number,
  outerDestination: number,
  source: number,
  destination: number,
  ports: number,
): void {
  const { bytes, view } = frame;
  const end = packet.l4 + packet.l4Length;
  const addresses = addSums(delta32(quoted.source, source), delta32(quoted.destination, destination));
  const delta = addSums(addresses, addSums(delta16(quoted.sourcePort, ports >>> 16), delta16(quoted.destinationPort, ports & 0xffff)));

  view.setInt32(quoted.ip + ipv4.SOURCE, source);
  view.setInt32(quoted.ip + ipv4.DESTINATION, destination);
  const innerHeader = quoted.ip + ipv4.HEADER_CHECKSUM;
  view.setUint16(innerHeader, updateChecksum(view.getUint16(innerHeader), addresses));
  view.setInt32(quoted.l4, ports);
  if (quoted.protocol === ipv4.UDP) {
    const at = quoted.l4 + udp.CHECKSUM;
    const checksum = view.getUint16(at);
    if (checksum !== 0) view.setUint16(at, updateChecksum(checksum, delta) || 0xffff);
  } else if (quoted.l4 + tcp.CHECKSUM + 2 <= end) {
    const at = quoted.l4 + tcp.CHECKSUM;
    view.setUint16(at, updateChecksum(view.getUint16(at), delta));
  }

  const outer = addSums(delta32(packet.source, outerSource), delta32(packet.destination, outerDestination));
  view.setInt32(IP + ipv4.SOURCE, outerSource);
  view.setInt32(IP + ipv4.DESTINATION, outerDestination);
  const outerHeader = IP + ipv4.HEADER_CHECKSUM;
  view.setUint16(outerHeader, updateChecksum(view.getUint16(outerHeader), outer));
  view.setUint16(packet.l4 + icmp.CHECKSUM, 0);
  view.setUint16(packet.l4 + icmp.CHECKSUM, ~sumOf(bytes, packet.l4, end, 0) & 0xffff);
  clearVirtioHeader(bytes);
}
