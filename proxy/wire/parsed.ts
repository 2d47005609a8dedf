/**
 * One packet of IPv4 or IPv6, parsed: an object that is made once and filled again for every frame.
 *
 * `parse` checks every length before it is used and answers a Reason. After `Reason.ok` no offset given here reaches
 * outside the frame, and every accessor that uses them is safe. It never throws and never allocates: each field is a small
 * integer. What is not (TCP sequence numbers, IPv6 addresses) is read from the frame by who needs it.
 */
import { IP, type Frame } from './frame.js';
import * as icmp from './icmp.js';
import * as icmpv6 from './icmpv6.js';
import * as ipv4 from './ipv4.js';
import * as ipv6 from './ipv6.js';
import * as tcp from './tcp.js';
import * as udp from './udp.js';
import * as virtio from './virtio.js';

export const Reason = {
  ok: 0,
  /** Shorter than its headers or than the lengths in them say. */
  truncated: 1,
  notIp: 2,
  badHeaderLength: 3,
  /** Less than the header, or less than the frame holds. */
  badTotalLength: 4,
  /** Source and destination are the same. */
  land: 5,
  badTcp: 6,
  badTcpFlags: 7,
  badUdp: 8,
  badIcmp: 9,
  /** Port 0, where no reply could be addressed to. */
  badPort: 10,
  /** Offload orders that do not fit the packet. */
  badVirtioHeader: 11,
  unsupportedProtocol: 12,
  /** TTL or hop limit 0: no router sends such a packet on. */
  badTtl: 13,
  /** A chain of IPv6 extension headers that `walkChain` refuses. */
  badExtension: 14,
  /** No fault: a part of a datagram, without ports or without all of its bytes. See fragment/. */
  fragment: 15,
} as const;

export const REASONS = 16;

/** "Always" is after ok and after fragment. */
export class Parsed {
  /** 4 or 6. Always. */
  family = 4;
  /** Bytes of the IP packet: 20 to 65,535, of IPv6 40 to 65,575. Always. */
  totalLength = 0;
  /**
   * ipv4.TCP, UDP, ICMP or ipv6.ICMPV6. Always; of a fragment it is what its header says of the payload, which in IPv6 may be
   * an extension header.
   */
  protocol = 0;
  /** TTL or hop limit, 1 to 255. Always. */
  ttl = 0;
  /** IPv4: int32. IPv6: 0, the address is at IP + ipv6.SOURCE. Always. */
  source = 0;
  /** IPv4: int32. IPv6: 0, the address is at IP + ipv6.DESTINATION. Always. */
  destination = 0;
  /** Bytes of the IP header with its options or extension headers. Always. */
  headersLength = 0;
  /** Offset in the frame of the L4 header, or of a fragment's payload. Always. */
  l4 = 0;
  /** Bytes from there to the packet's end. Always. */
  l4Length = 0;
  /** The L4 checksum is partial (see virtio.ts). After ok. */
  needsChecksum = false;
  /** virtio gso_type without the ECN bit. After ok. */
  gso = 0;
  /** After ok, for TCP and UDP. Of an echo request the identifier, of its reply 0. */
  sourcePort = 0;
  /** After ok, for TCP and UDP. Of an echo reply the identifier, of its request 0. */
  destinationPort = 0;
  /** After ok, for TCP: FIN to ACK, the lower 5 bits. */
  flags = 0;
  /** Bytes of TCP payload. After ok, for TCP. */
  payloadLength = 0;
  /** After ok, for ICMP and ICMPv6. */
  icmpType = 0;
  /** Bytes before this part of the datagram's payload, 0 to 65,528. After fragment. */
  fragmentOffset = 0;
  /** After fragment. False with an offset of 0 is IPv6's atomic fragment (RFC 6946). */
  moreFragments = false;
  /** IPv4: 0 to 65,535. IPv6: int32. After fragment. */
  fragmentId = 0;
  /** IPv6: offset in the frame of the Fragment header. IPv4: 0. After fragment. */
  fragmentHeader = 0;
  /** IPv6: where in the frame the Fragment header is announced, by the byte that says 44. IPv4: 0. After fragment. */
  fragmentField = 0;
}

/** Each thread parses one packet at a time, and nothing of the walk outlives `parse`. */
const chain = new ipv6.Chain();

/** @param length bytes of the frame that are filled, virtio-net header included */
export function parse(frame: Frame, length: number, into: Parsed): number {
  const { bytes, view } = frame;
  const available = length - IP;
  if (available < ipv4.HEADER || length > bytes.length) return Reason.truncated;

  const versionIhl = bytes[IP]!;
  if (versionIhl >>> 4 !== 4) return versionIhl >>> 4 === 6 ? parseIpv6(frame, available, into) : Reason.notIp;
  const headerLength = (versionIhl & 15) << 2;
  if (headerLength < ipv4.HEADER) return Reason.badHeaderLength;
  const totalLength = view.getUint16(IP + ipv4.TOTAL_LENGTH);
  if (totalLength > available) return Reason.truncated;
  if (totalLength < available || totalLength < headerLength) return Reason.badTotalLength;
  const ttl = bytes[IP + ipv4.TTL]!;
  if (ttl === 0) return Reason.badTtl;

  const source = view.getInt32(IP + ipv4.SOURCE);
  const destination = view.getInt32(IP + ipv4.DESTINATION);
  if (source === destination) return Reason.land;
  into.family = 4;
  into.totalLength = totalLength;
  into.protocol = bytes[IP + ipv4.PROTOCOL]!;
  into.ttl = ttl;
  into.source = source;
  into.destination = destination;
  into.headersLength = headerLength;
  into.l4 = IP + headerLength;
  into.l4Length = totalLength - headerLength;

  const fragment = view.getUint16(IP + ipv4.FRAGMENT) & ipv4.FRAGMENT_MASK;
  if (fragment !== 0) {
    into.fragmentOffset = (fragment & ipv4.FRAGMENT_OFFSET_MASK) << 3;
    into.moreFragments = (fragment & ipv4.MORE_FRAGMENTS) !== 0;
    into.fragmentId = view.getUint16(IP + ipv4.IDENTIFICATION);
    into.fragmentHeader = 0;
    into.fragmentField = 0;
    return Reason.fragment;
  }
  return parseL4(frame, into);
}

function parseIpv6(frame: Frame, available: number, into: Parsed): number {
  const { bytes, view } = frame;
  if (available < ipv6.HEADER) return Reason.truncated;
  const totalLength = ipv6.HEADER + view.getUint16(IP + ipv6.PAYLOAD_LENGTH);
  if (totalLength > available) return Reason.truncated;
  if (totalLength < available) return Reason.badTotalLength;
  const ttl = bytes[IP + ipv6.HOP_LIMIT]!;
  if (ttl === 0) return Reason.badTtl;
  if (ipv6.isLand(frame, IP)) return Reason.land;
  const end = IP + totalLength;
  if (!ipv6.walkChain(frame, IP + ipv6.HEADER, IP + ipv6.NEXT_HEADER, end, chain)) return Reason.badExtension;
  into.family = 6;
  into.totalLength = totalLength;
  into.protocol = chain.protocol;
  into.ttl = ttl;
  into.source = 0;
  into.destination = 0;
  into.headersLength = chain.end - IP;
  into.l4 = chain.end;
  into.l4Length = end - chain.end;
  if (chain.fragment !== 0) {
    const word = view.getUint16(chain.fragment + ipv6.FRAGMENT_OFFSET);
    into.fragmentOffset = word & ipv6.FRAGMENT_OFFSET_MASK;
    into.moreFragments = (word & ipv6.MORE_FRAGMENTS) !== 0;
    into.fragmentId = view.getInt32(chain.fragment + ipv6.FRAGMENT_ID);
    into.fragmentHeader = chain.fragment;
    into.fragmentField = chain.field;
    return Reason.fragment;
  }
  return parseL4(frame, into);
}

function parseL4(frame: Frame, into: Parsed): number {
  const { bytes, view } = frame;
  const { l4, l4Length, protocol } = into;
  into.needsChecksum = (bytes[virtio.FLAGS]! & virtio.NEEDS_CSUM) !== 0;
  into.gso = bytes[virtio.GSO_TYPE]! & ~virtio.GSO_ECN;

  if (protocol === ipv4.TCP) {
    if (l4Length < tcp.HEADER) return Reason.badTcp;
    const dataOffset = (bytes[l4 + tcp.DATA_OFFSET]! >>> 4) << 2;
    if (dataOffset < tcp.HEADER || dataOffset > l4Length) return Reason.badTcp;
    const flags = bytes[l4 + tcp.FLAG_BYTE]! & 0x1f;
    if (!tcp.flagsMakeSense(flags)) return Reason.badTcpFlags;
    into.flags = flags;
    into.payloadLength = l4Length - dataOffset;
    into.sourcePort = view.getUint16(l4 + tcp.SOURCE_PORT);
    into.destinationPort = view.getUint16(l4 + tcp.DESTINATION_PORT);
    if (into.sourcePort === 0 || into.destinationPort === 0) return Reason.badPort;
    return virtioFits(frame, into, tcp.CHECKSUM) ? Reason.ok : Reason.badVirtioHeader;
  }
  if (protocol === ipv4.UDP) {
    if (l4Length < udp.HEADER) return Reason.badUdp;
    const datagramLength = view.getUint16(l4 + udp.LENGTH);
    if (datagramLength < udp.HEADER || datagramLength > l4Length) return Reason.badUdp;
    // Over IPv6 every datagram has a checksum (RFC 8200 8.1).
    if (into.family === 6 && view.getUint16(l4 + udp.CHECKSUM) === 0) return Reason.badUdp;
    into.sourcePort = view.getUint16(l4 + udp.SOURCE_PORT);
    into.destinationPort = view.getUint16(l4 + udp.DESTINATION_PORT);
    if (into.sourcePort === 0 || into.destinationPort === 0) return Reason.badPort;
    return virtioFits(frame, into, udp.CHECKSUM) ? Reason.ok : Reason.badVirtioHeader;
  }
  if (protocol === (into.family === 4 ? ipv4.ICMP : ipv6.ICMPV6)) return parseIcmp(frame, into);
  return Reason.unsupportedProtocol;
}

function parseIcmp(frame: Frame, into: Parsed): number {
  const { l4 } = into;
  if (into.l4Length < icmp.HEADER) return Reason.badIcmp;
  const type = frame.bytes[l4 + icmp.TYPE]!;
  const isV4 = into.family === 4;
  into.icmpType = type;
  into.sourcePort = type === (isV4 ? icmp.ECHO_REQUEST : icmpv6.ECHO_REQUEST) ? frame.view.getUint16(l4 + icmp.IDENTIFIER) : 0;
  into.destinationPort = type === (isV4 ? icmp.ECHO_REPLY : icmpv6.ECHO_REPLY) ? frame.view.getUint16(l4 + icmp.IDENTIFIER) : 0;
  return virtioFits(frame, into, icmp.CHECKSUM) ? Reason.ok : Reason.badVirtioHeader;
}

/**
 * Whether the virtio-net header asks for something that this packet can have. The kernel would refuse most of the rest at
 * the write; a checksum written to another place than the protocol's would corrupt the packet.
 */
function virtioFits(frame: Frame, packet: Parsed, checksumAt: number): boolean {
  if (packet.needsChecksum) {
    const { view } = frame;
    if (view.getUint16(virtio.CHECKSUM_START, true) !== packet.headersLength) return false;
    if (view.getUint16(virtio.CHECKSUM_OFFSET, true) !== checksumAt) return false;
  }
  const { gso, protocol } = packet;
  if (gso === virtio.GSO_NONE) return true;
  if (protocol === ipv4.TCP) return gso === (packet.family === 4 ? virtio.GSO_TCPV4 : virtio.GSO_TCPV6);
  return protocol === ipv4.UDP && (gso === virtio.GSO_UDP_L4 || (gso === virtio.GSO_UDP && packet.family === 4));
}
