/**
 * ICMP and ICMPv6 errors that quote a packet of a flow: parsed one level deeper, and translated outside and inside (RFC 5508 4).
 *
 * The quoted packet is what its sender sent, as we had rewritten it; the error is of use to the original sender only when
 * the quote shows the packet as *it* sent it. A quote may be as short as the IP headers and 8 bytes of L4 (RFC 792), which is
 * enough for the ports. What the error says (its MTU, its pointer) is passed on as it is: rewriting changes no length.
 * Which flow is meant is looked up by the caller; an error never ends a flow and never keeps one alive.
 */
import { addSums, delta16, sumOf, updateChecksum } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as icmpv6 from '../wire/icmpv6.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import { clearVirtioHeader } from '../wire/virtio.js';
import { addressesSum, type AddressWords, writeAddresses } from './addresses.js';

const QUOTED_L4 = 8;

/** The packet inside an error. Made once and reused; every field is valid when `parseQuoted` answered true. */
export class Quoted {
  /** 4 or 6: that of the error. */
  family = 4;
  /** ipv4.TCP, UDP, ICMP or ipv6.ICMPV6. */
  protocol = 0;
  /** IPv4: int32. IPv6: 0, the address is at ip + ipv6.SOURCE. */
  source = 0;
  /** IPv4: int32. IPv6: 0, the address is at ip + ipv6.DESTINATION. */
  destination = 0;
  /** Of an echo request the identifier, of its reply 0. */
  sourcePort = 0;
  /** Of an echo reply the identifier, of its request 0. */
  destinationPort = 0;
  /** Offset in the frame of the quoted IP header. */
  ip = 0;
  /** Offset in the frame of the quoted L4 header; at least 8 bytes are there. */
  l4 = 0;
}

/** Each thread parses one packet at a time, and nothing of the walk outlives the function that walks. */
const chain = new ipv6.Chain();

/** Whether a parsed ICMP or ICMPv6 message is an error of those that are translated. */
export function isError(packet: Parsed): boolean {
  return packet.family === 4 ? icmp.quotesPacket(packet.icmpType) : icmpv6.quotesPacket6(packet.icmpType);
}

/**
 * Whether a first fragment, which has its whole L4 header, begins an ICMP error or a redirect: no error may be sent for those
 * (RFC 1122 3.2.2, RFC 4443 2.4 e). `parse` answered Reason.fragment for it.
 */
export function beginsError(frame: Frame, packet: Parsed): boolean {
  const { bytes } = frame;
  if (packet.family === 4) {
    const type = bytes[packet.l4 + icmp.TYPE]!;
    return packet.protocol === ipv4.ICMP && (type === icmp.REDIRECT || icmp.quotesPacket(type));
  }
  if (!ipv6.walkChain(frame, packet.l4, packet.fragmentHeader, packet.l4 + packet.l4Length, chain)) return true;
  const type = bytes[chain.end + icmp.TYPE]!;
  return chain.protocol === ipv6.ICMPV6 && (type === icmpv6.REDIRECT || type < icmpv6.ECHO_REQUEST);
}

/** False when the quote is too short, or not of a packet that a flow could have: TCP, UDP, or an echo. `packet` is an error. */
export function parseQuoted(frame: Frame, packet: Parsed, into: Quoted): boolean {
  const { view } = frame;
  const isV4 = packet.family === 4;
  const end = packet.l4 + packet.l4Length;
  into.family = packet.family;
  into.ip = packet.l4 + icmp.HEADER;
  if (!(isV4 ? findL4(frame, end, into) : findL4Of6(frame, end, into)) || into.l4 + QUOTED_L4 > end) return false;
  if (into.protocol === ipv4.TCP || into.protocol === ipv4.UDP) {
    into.sourcePort = view.getUint16(into.l4);
    into.destinationPort = view.getUint16(into.l4 + 2);
    return true;
  }
  if (into.protocol !== (isV4 ? ipv4.ICMP : ipv6.ICMPV6)) return false;
  const type = frame.bytes[into.l4 + icmp.TYPE]!;
  const identifier = view.getUint16(into.l4 + icmp.IDENTIFIER);
  const isRequest = type === (isV4 ? icmp.ECHO_REQUEST : icmpv6.ECHO_REQUEST);
  into.sourcePort = isRequest ? identifier : 0;
  into.destinationPort = isRequest ? 0 : identifier;
  return isRequest || type === (isV4 ? icmp.ECHO_REPLY : icmpv6.ECHO_REPLY);
}

/** False without a whole header, or where no L4 header follows it: in a later fragment. */
function findL4(frame: Frame, end: number, into: Quoted): boolean {
  const { bytes, view } = frame;
  const { ip } = into;
  if (ip + ipv4.HEADER > end || bytes[ip]! >>> 4 !== 4) return false;
  const headerLength = (bytes[ip]! & 15) << 2;
  if (headerLength < ipv4.HEADER) return false;
  if ((view.getUint16(ip + ipv4.FRAGMENT) & ipv4.FRAGMENT_OFFSET_MASK) !== 0) return false;
  into.protocol = bytes[ip + ipv4.PROTOCOL]!;
  into.source = view.getInt32(ip + ipv4.SOURCE);
  into.destination = view.getInt32(ip + ipv4.DESTINATION);
  into.l4 = ip + headerLength;
  return true;
}

function findL4Of6(frame: Frame, end: number, into: Quoted): boolean {
  const { bytes, view } = frame;
  const { ip } = into;
  if (ip + ipv6.HEADER > end || bytes[ip]! >>> 4 !== 6) return false;
  if (!ipv6.walkChain(frame, ip + ipv6.HEADER, ip + ipv6.NEXT_HEADER, end, chain)) return false;
  if (chain.fragment !== 0) {
    if ((view.getUint16(chain.fragment + ipv6.FRAGMENT_OFFSET) & ipv6.FRAGMENT_OFFSET_MASK) !== 0) return false;
    if (!ipv6.walkChain(frame, chain.end, chain.fragment, end, chain) || chain.fragment !== 0) return false;
  }
  into.protocol = chain.protocol;
  into.source = 0;
  into.destination = 0;
  into.l4 = chain.end;
  return true;
}

/**
 * Rewrites an error in place. The caller has checked the ICMP checksum, which is computed anew here. The quoted IPv4 header's
 * checksum and, where the quote reaches it, the quoted L4 checksum follow their changes.
 * Addresses are int32 or, for IPv6, handles of `book`.
 * @param outerSource of the error; 0: whoever reports it is shown as himself
 * @param ports of the quoted packet, source << 16 | destination; of an echo the identifier is the one that is not 0
 */
export function translateError(
  frame: Frame,
  packet: Parsed,
  quoted: Quoted,
  book: AddressWords,
  outerSource: number,
  outerDestination: number,
  source: number,
  destination: number,
  ports: number,
): void {
  const { bytes, view } = frame;
  const { family } = packet;
  const end = packet.l4 + packet.l4Length;

  const before = addressesSum(frame, quoted.ip, family);
  writeAddresses(frame, quoted.ip, family, book, source, destination);
  const addresses = delta16(before, addressesSum(frame, quoted.ip, family));
  if (family === 4) updateAt(frame, quoted.ip + ipv4.HEADER_CHECKSUM, addresses);
  translateL4(frame, quoted, addresses, ports, end);

  const outerBefore = addressesSum(frame, IP, family);
  writeAddresses(frame, IP, family, book, outerSource, outerDestination);
  if (family === 4) updateAt(frame, IP + ipv4.HEADER_CHECKSUM, delta16(outerBefore, addressesSum(frame, IP, 4)));
  view.setUint16(packet.l4 + icmp.CHECKSUM, 0);
  const pseudo = family === 4 ? 0 : ipv6.pseudoSum6(frame, IP, ipv6.ICMPV6, packet.l4Length);
  view.setUint16(packet.l4 + icmp.CHECKSUM, ~sumOf(bytes, packet.l4, end, pseudo) & 0xffff);
  clearVirtioHeader(bytes);
}

/** Ports or identifier of the quoted packet, and its L4 checksum as far as it is there. */
function translateL4(frame: Frame, quoted: Quoted, addresses: number, ports: number, end: number): void {
  const { view } = frame;
  const { l4 } = quoted;
  const portsDelta = addSums(delta16(quoted.sourcePort, ports >>> 16), delta16(quoted.destinationPort, ports & 0xffff));
  const delta = addSums(addresses, portsDelta);
  if (quoted.protocol === ipv4.TCP) {
    view.setInt32(l4, ports);
    if (l4 + tcp.CHECKSUM + 2 <= end) updateAt(frame, l4 + tcp.CHECKSUM, delta);
  } else if (quoted.protocol === ipv4.UDP) {
    view.setInt32(l4, ports);
    const at = l4 + udp.CHECKSUM;
    const checksum = view.getUint16(at);
    if (checksum !== 0) view.setUint16(at, updateChecksum(checksum, delta) || 0xffff);
  } else {
    view.setUint16(l4 + icmp.IDENTIFIER, (ports >>> 16) | (ports & 0xffff));
    updateAt(frame, l4 + icmp.CHECKSUM, quoted.family === 4 ? portsDelta : delta);
  }
}

function updateAt(frame: Frame, at: number, delta: number): void {
  frame.view.setUint16(at, updateChecksum(frame.view.getUint16(at), delta));
}
