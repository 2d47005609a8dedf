/**
 * Answers that we give ourselves, built in place over the packet that asked for them: each takes the parsed packet, turns
 * the frame into the answer and returns the frame's new length. The virtio header is cleared and every checksum complete.
 * Whether an answer is due, and whether the packet's checksums were right, is for the caller to know.
 */
import { delta16, pseudoSum, sumOf, updateChecksum } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import { clearVirtioHeader } from '../wire/virtio.js';

/** RFC 1812 4.3.2.3: an error message as a whole stays within 576 bytes. */
const ERROR_LIMIT = 576;
/** RFC 1812 4.3.2.5: precedence "internetwork control" for errors. */
const ERROR_TOS = 0xc0;

/**
 * A RST to the sender of a segment that belongs to no connection (RFC 9293 3.10.7.1). With ACK in the segment it takes its
 * sequence number from there; otherwise it is sequence 0 and acknowledges the segment. Never for a segment with RST.
 */
export function replyReset(frame: Frame, packet: Parsed): number {
  const { bytes, view } = frame;
  const from = packet.l4;
  const acknowledged = (packet.flags & tcp.ACK) !== 0;
  // SEG.LEN counts SYN and FIN. int32 arithmetic is arithmetic modulo 2^32, as sequence numbers want it.
  const segment = packet.payloadLength + ((packet.flags & tcp.SYN) !== 0 ? 1 : 0) + ((packet.flags & tcp.FIN) !== 0 ? 1 : 0);
  const sequence = acknowledged ? view.getInt32(from + tcp.ACKNOWLEDGEMENT) : 0;
  const acknowledgement = acknowledged ? 0 : (view.getInt32(from + tcp.SEQUENCE) + segment) | 0;

  const l4 = IP + ipv4.HEADER;
  const end = l4 + tcp.HEADER;
  clearVirtioHeader(bytes);
  writeIpv4Reply(frame, packet, 0, ipv4.HEADER + tcp.HEADER, ipv4.TCP);
  view.setUint16(l4 + tcp.SOURCE_PORT, packet.destinationPort);
  view.setUint16(l4 + tcp.DESTINATION_PORT, packet.sourcePort);
  view.setInt32(l4 + tcp.SEQUENCE, sequence);
  view.setInt32(l4 + tcp.ACKNOWLEDGEMENT, acknowledgement);
  bytes[l4 + tcp.DATA_OFFSET] = (tcp.HEADER / 4) << 4;
  bytes[l4 + tcp.FLAG_BYTE] = acknowledged ? tcp.RST : tcp.RST | tcp.ACK;
  view.setUint16(l4 + tcp.WINDOW, 0);
  view.setUint16(l4 + tcp.CHECKSUM, 0);
  view.setUint16(l4 + tcp.URGENT, 0);
  const pseudo = pseudoSum(packet.destination, packet.source, ipv4.TCP, tcp.HEADER);
  view.setUint16(l4 + tcp.CHECKSUM, ~sumOf(bytes, l4, end, pseudo) & 0xffff);
  return end;
}

/** An ICMP port unreachable that quotes as much of the packet as 576 bytes hold (RFC 792, RFC 1812 4.3.2.3). */
export function replyPortUnreachable(frame: Frame, packet: Parsed): number {
  const { bytes, view } = frame;
  const l4 = IP + ipv4.HEADER;
  const quoted = Math.min(packet.totalLength, ERROR_LIMIT - ipv4.HEADER - icmp.HEADER, bytes.length - l4 - icmp.HEADER);
  const end = l4 + icmp.HEADER + quoted;
  bytes.copyWithin(l4 + icmp.HEADER, IP, IP + quoted);
  clearVirtioHeader(bytes);
  writeIpv4Reply(frame, packet, ERROR_TOS, end - IP, ipv4.ICMP);
  bytes[l4 + icmp.TYPE] = icmp.UNREACHABLE;
  bytes[l4 + icmp.CODE] = icmp.CODE_PORT_UNREACHABLE;
  view.setUint16(l4 + icmp.CHECKSUM, 0);
  view.setInt32(l4 + icmp.REST, 0);
  view.setUint16(l4 + icmp.CHECKSUM, ~sumOf(bytes, l4, end, 0) & 0xffff);
  return end;
}

/**
 * Turns an echo request into its reply. The ICMP checksum is updated, not recomputed: an error in the data stays visible to
 * whoever asked. IP options are kept (RFC 1122 3.2.2.6 wants them reflected). A partial checksum is none for ICMP: complete.
 */
export function replyEcho(frame: Frame, packet: Parsed): number {
  const { bytes, view } = frame;
  const at = packet.l4 + icmp.CHECKSUM;
  const header = view.getUint16(packet.l4);
  bytes[packet.l4 + icmp.TYPE] = icmp.ECHO_REPLY;
  if (packet.needsChecksum) {
    view.setUint16(at, 0);
    view.setUint16(at, ~sumOf(bytes, packet.l4, packet.l4 + packet.l4Length, 0) & 0xffff);
  } else {
    view.setUint16(at, updateChecksum(view.getUint16(at), delta16(header, header & 0xff)));
  }
  clearVirtioHeader(bytes);
  // Swapping the addresses does not change the header's sum; a fresh TTL does.
  view.setInt32(IP + ipv4.SOURCE, packet.destination);
  view.setInt32(IP + ipv4.DESTINATION, packet.source);
  const before = view.getUint16(IP + ipv4.TTL);
  bytes[IP + ipv4.TTL] = ipv4.DEFAULT_TTL;
  const checksum = view.getUint16(IP + ipv4.HEADER_CHECKSUM);
  view.setUint16(IP + ipv4.HEADER_CHECKSUM, updateChecksum(checksum, delta16(before, view.getUint16(IP + ipv4.TTL))));
  return IP + packet.totalLength;
}

function writeIpv4Reply(frame: Frame, packet: Parsed, tos: number, totalLength: number, protocol: number): void {
  ipv4.writeIpv4(frame, IP, tos, totalLength, protocol, packet.destination, packet.source);
}
