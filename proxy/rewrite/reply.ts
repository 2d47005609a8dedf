/**
 * Answers that we give ourselves, built in place over the packet that asked for them: each takes the parsed packet, turns
 * the frame into the answer and returns the frame's new length. The virtio header is cleared and every checksum complete.
 * Whether an answer is due, and whether the packet's checksums were right, is for the caller to know.
 */
import { delta16, sumOf, updateChecksum } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as icmpv6 from '../wire/icmpv6.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import { clearVirtioHeader } from '../wire/virtio.js';
import { swapAddresses } from './addresses.js';
import { writeReset } from './reset.js';

/** RFC 1812 4.3.2.3: an error message as a whole stays within 576 bytes. */
const ERROR_LIMIT = 576;
/** RFC 4443 2.4 c: within the minimum MTU. */
const ERROR_LIMIT_6 = ipv6.MINIMUM_MTU;
/** RFC 1812 4.3.2.5: precedence "internetwork control" for errors. */
const ERROR_TOS = 0xc0;

/**
 * A RST to the sender of a segment that belongs to no connection (RFC 9293 3.10.7.1). With ACK in the segment it takes its
 * sequence number from there; otherwise it is sequence 0 and acknowledges the segment. Never for a segment with RST.
 */
export function replyReset(frame: Frame, packet: Parsed): number {
  const { view } = frame;
  const from = packet.l4;
  const acknowledged = (packet.flags & tcp.ACK) !== 0;
  // SEG.LEN counts SYN and FIN. int32 arithmetic is arithmetic modulo 2^32, as sequence numbers want it.
  const segment = packet.payloadLength + ((packet.flags & tcp.SYN) !== 0 ? 1 : 0) + ((packet.flags & tcp.FIN) !== 0 ? 1 : 0);
  const sequence = acknowledged ? view.getInt32(from + tcp.ACKNOWLEDGEMENT) : 0;
  const acknowledgement = (view.getInt32(from + tcp.SEQUENCE) + segment) | 0;

  writeHeader(frame, packet, 0, tcp.HEADER, ipv4.TCP);
  return writeReset(frame, packet.family, (packet.destinationPort << 16) | packet.sourcePort, sequence, acknowledgement, !acknowledged);
}

/**
 * A port unreachable, of ICMP or ICMPv6, that quotes as much of the packet as fits 576 bytes (RFC 792, RFC 1812 4.3.2.3), or
 * 1280 of IPv6 (RFC 4443 3.1).
 */
export function replyPortUnreachable(frame: Frame, packet: Parsed): number {
  return packet.family === 4
    ? replyError(frame, packet, icmp.UNREACHABLE, icmp.CODE_PORT_UNREACHABLE)
    : replyError(frame, packet, icmpv6.UNREACHABLE, icmpv6.CODE_PORT_UNREACHABLE);
}

/** An ICMP host unreachable, in IPv6 address unreachable (RFC 4443 3.1), with the same quote. */
export function replyHostUnreachable(frame: Frame, packet: Parsed): number {
  return packet.family === 4
    ? replyError(frame, packet, icmp.UNREACHABLE, icmp.CODE_HOST_UNREACHABLE)
    : replyError(frame, packet, icmpv6.UNREACHABLE, icmpv6.CODE_ADDRESS_UNREACHABLE);
}

/**
 * An ICMP time exceeded in reassembly, of ICMP (RFC 792) or ICMPv6 (RFC 4443 3.3), with the same quote. `packet` is a first
 * fragment: `parse` answered Reason.fragment for it.
 */
export function replyReassemblyTimeExceeded(frame: Frame, packet: Parsed): number {
  return packet.family === 4
    ? replyError(frame, packet, icmp.TIME_EXCEEDED, icmp.CODE_REASSEMBLY)
    : replyError(frame, packet, icmpv6.TIME_EXCEEDED, icmpv6.CODE_REASSEMBLY);
}

function replyError(frame: Frame, packet: Parsed, type: number, code: number): number {
  const { bytes, view } = frame;
  const isV4 = packet.family === 4;
  const l4 = IP + (isV4 ? ipv4.HEADER : ipv6.HEADER);
  const room = IP + (isV4 ? ERROR_LIMIT : ERROR_LIMIT_6) - l4 - icmp.HEADER;
  const quoted = Math.min(packet.totalLength, room, bytes.length - l4 - icmp.HEADER);
  const end = l4 + icmp.HEADER + quoted;
  bytes.copyWithin(l4 + icmp.HEADER, IP, IP + quoted);
  bytes[l4 + icmp.TYPE] = type;
  bytes[l4 + icmp.CODE] = code;
  view.setUint16(l4 + icmp.CHECKSUM, 0);
  view.setInt32(l4 + icmp.REST, 0);
  // The copy begins behind the addresses, so they still stand where they came.
  writeHeader(frame, packet, ERROR_TOS, end - l4, isV4 ? ipv4.ICMP : ipv6.ICMPV6);
  const pseudo = isV4 ? 0 : ipv6.pseudoSum6(frame, IP, ipv6.ICMPV6, end - l4);
  view.setUint16(l4 + icmp.CHECKSUM, ~sumOf(bytes, l4, end, pseudo) & 0xffff);
  return end;
}

/**
 * Turns an echo request into its reply. The checksum is updated, not recomputed: an error in the data stays visible to
 * whoever asked. IP options are kept (RFC 1122 3.2.2.6 wants them reflected). A partial checksum is none for ICMP: complete.
 */
export function replyEcho(frame: Frame, packet: Parsed): number {
  const { bytes, view } = frame;
  const isV4 = packet.family === 4;
  const at = packet.l4 + icmp.CHECKSUM;
  const header = view.getUint16(packet.l4);
  bytes[packet.l4 + icmp.TYPE] = isV4 ? icmp.ECHO_REPLY : icmpv6.ECHO_REPLY;
  if (packet.needsChecksum) {
    const pseudo = isV4 ? 0 : ipv6.pseudoSum6(frame, IP, ipv6.ICMPV6, packet.l4Length);
    view.setUint16(at, 0);
    view.setUint16(at, ~sumOf(bytes, packet.l4, packet.l4 + packet.l4Length, pseudo) & 0xffff);
  } else {
    view.setUint16(at, updateChecksum(view.getUint16(at), delta16(header, view.getUint16(packet.l4))));
  }
  clearVirtioHeader(bytes);
  // Swapping the addresses changes no sum; a fresh TTL does.
  swapAddresses(frame, packet.family);
  if (isV4) {
    const before = view.getUint16(IP + ipv4.TTL);
    bytes[IP + ipv4.TTL] = ipv4.DEFAULT_TTL;
    const checksum = view.getUint16(IP + ipv4.HEADER_CHECKSUM);
    view.setUint16(IP + ipv4.HEADER_CHECKSUM, updateChecksum(checksum, delta16(before, view.getUint16(IP + ipv4.TTL))));
  } else {
    bytes[IP + ipv6.HOP_LIMIT] = ipv6.DEFAULT_HOP_LIMIT;
  }
  return IP + packet.totalLength;
}

/** A plain header back to the sender of the packet that is in the frame. */
function writeHeader(frame: Frame, packet: Parsed, tos: number, l4Length: number, protocol: number): void {
  clearVirtioHeader(frame.bytes);
  if (packet.family === 4) {
    ipv4.writeIpv4(frame, IP, tos, ipv4.HEADER + l4Length, protocol, packet.destination, packet.source);
  } else {
    ipv6.writeIpv6(frame, IP, l4Length, protocol);
    swapAddresses(frame, 6);
  }
}
