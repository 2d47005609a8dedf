/**
 * One packet, parsed: an object that is made once and filled again for every frame.
 *
 * `parse` checks every length before it is used and answers a Reason. After `Reason.ok` no offset given here reaches
 * outside the frame, and every accessor that uses them is safe. It never throws and never allocates: each field is a small
 * integer. TCP sequence numbers, which are not, are read from the frame by who needs them.
 */
import { IP, type Frame } from './frame.js';
import * as icmp from './icmp.js';
import * as ipv4 from './ipv4.js';
import * as tcp from './tcp.js';
import * as udp from './udp.js';
import * as virtio from './virtio.js';

export const Reason = {
  ok: 0,
  /** Shorter than its headers or than the lengths in them say. */
  truncated: 1,
  notIpv4: 2,
  badHeaderLength: 3,
  /** Less than the header, or less than the frame holds. */
  badTotalLength: 4,
  /** A part of a datagram: without ports, or without all of its bytes. Nothing here reassembles. */
  fragment: 5,
  /** Source and destination are the same. */
  land: 6,
  badTcp: 7,
  badTcpFlags: 8,
  badUdp: 9,
  badIcmp: 10,
  /** Port 0, where no reply could be addressed to. */
  badPort: 11,
  /** Offload orders that do not fit the packet. */
  badVirtioHeader: 12,
  unsupportedProtocol: 13,
} as const;

export const REASONS = 14;

export class Parsed {
  /** Bytes of the IP packet, 20 to 65535. Valid after ok. */
  totalLength = 0;
  /** ipv4.TCP, UDP or ICMP. Valid after ok. */
  protocol = 0;
  /** int32. Valid after ok. */
  source = 0;
  /** int32. Valid after ok. */
  destination = 0;
  /** Offset in the frame of the L4 header. Valid after ok. */
  l4 = 0;
  /** Bytes from there to the packet's end. Valid after ok. */
  l4Length = 0;
  /** The L4 checksum is partial (see virtio.ts). Valid after ok. */
  needsChecksum = false;
  /** Valid after ok, for TCP and UDP. */
  sourcePort = 0;
  /** Valid after ok, for TCP and UDP. */
  destinationPort = 0;
  /** Valid after ok, for TCP: FIN to ACK, the lower 5 bits. */
  flags = 0;
  /** Bytes of TCP payload. Valid after ok, for TCP. */
  payloadLength = 0;
  /** Valid after ok, for ICMP. */
  icmpType = 0;
}

/** @param length bytes of the frame that are filled, virtio-net header included */
export function parse(frame: Frame, length: number, into: Parsed): number {
  const { bytes, view } = frame;
  const available = length - IP;
  if (available < ipv4.HEADER || length > bytes.length) return Reason.truncated;

  const versionIhl = bytes[IP]!;
  if (versionIhl >>> 4 !== 4) return Reason.notIpv4;
  const headerLength = (versionIhl & 15) << 2;
  if (headerLength < ipv4.HEADER) return Reason.badHeaderLength;
  const totalLength = view.getUint16(IP + ipv4.TOTAL_LENGTH);
  if (totalLength > available) return Reason.truncated;
  if (totalLength < available || totalLength < headerLength) return Reason.badTotalLength;

  const source = view.getInt32(IP + ipv4.SOURCE);
  const destination = view.getInt32(IP + ipv4.DESTINATION);
  if (source === destination) return Reason.land;
  if ((view.getUint16(IP + ipv4.FRAGMENT) & ipv4.FRAGMENT_MASK) !== 0) return Reason.fragment;

  const l4 = IP + headerLength;
  const l4Length = totalLength - headerLength;
  const needsChecksum = (bytes[virtio.FLAGS]! & virtio.NEEDS_CSUM) !== 0;
  const protocol = bytes[IP + ipv4.PROTOCOL]!;
  into.totalLength = totalLength;
  into.protocol = protocol;
  into.source = source;
  into.destination = destination;
  into.l4 = l4;
  into.l4Length = l4Length;
  into.needsChecksum = needsChecksum;

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
    return virtioFits(frame, headerLength, needsChecksum, tcp.CHECKSUM, protocol) ? Reason.ok : Reason.badVirtioHeader;
  }
  if (protocol === ipv4.UDP) {
    if (l4Length < udp.HEADER) return Reason.badUdp;
    const datagramLength = view.getUint16(l4 + udp.LENGTH);
    if (datagramLength < udp.HEADER || datagramLength > l4Length) return Reason.badUdp;
    into.sourcePort = view.getUint16(l4 + udp.SOURCE_PORT);
    into.destinationPort = view.getUint16(l4 + udp.DESTINATION_PORT);
    if (into.sourcePort === 0 || into.destinationPort === 0) return Reason.badPort;
    return virtioFits(frame, headerLength, needsChecksum, udp.CHECKSUM, protocol) ? Reason.ok : Reason.badVirtioHeader;
  }
  if (protocol === ipv4.ICMP) {
    if (l4Length < icmp.HEADER) return Reason.badIcmp;
    into.icmpType = bytes[l4 + icmp.TYPE]!;
    return virtioFits(frame, headerLength, needsChecksum, icmp.CHECKSUM, protocol) ? Reason.ok : Reason.badVirtioHeader;
  }
  return Reason.unsupportedProtocol;
}

/**
 * Whether the virtio-net header asks for something that this packet can have. The kernel would refuse most of the rest at
 * the write; a checksum written to another place than the protocol's would corrupt the packet.
 */
function virtioFits(frame: Frame, headerLength: number, needsChecksum: boolean, checksumAt: number, protocol: number): boolean {
  const { bytes, view } = frame;
  if (needsChecksum) {
    if (view.getUint16(virtio.CHECKSUM_START, true) !== headerLength) return false;
    if (view.getUint16(virtio.CHECKSUM_OFFSET, true) !== checksumAt) return false;
  }
  const gso = bytes[virtio.GSO_TYPE]! & ~virtio.GSO_ECN;
  if (gso === virtio.GSO_NONE) return true;
  if (protocol === ipv4.TCP) return gso === virtio.GSO_TCPV4;
  return protocol === ipv4.UDP && (gso === virtio.GSO_UDP || gso === virtio.GSO_UDP_L4);
}
