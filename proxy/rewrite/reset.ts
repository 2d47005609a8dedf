/**
 * RSTs that no segment asked for: a connection ends here (it expired, gave way, its endpoint is gone), and both hosts are to
 * know at once instead of finding out by time-outs.
 */
import { sumOf } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import * as tcp from '../wire/tcp.js';
import { clearVirtioHeader } from '../wire/virtio.js';
import { addressesSum, type AddressWords, writeAddresses } from './addresses.js';

/**
 * Builds a RST in `frame` and answers its length. Addresses are int32 or, for family 6, handles of `book`; `ports` is
 * source << 16 | destination. `sequence` must be the one that the receiver expects next: it believes no other (RFC 5961 3.2).
 * @param acknowledgement sent, with ACK, if `hasAcknowledgement`: a receiver in SYN-SENT wants its SYN acknowledged
 */
export function buildReset(
  frame: Frame,
  book: AddressWords,
  family: number,
  source: number,
  destination: number,
  ports: number,
  sequence: number,
  acknowledgement: number,
  hasAcknowledgement: boolean,
): number {
  clearVirtioHeader(frame.bytes);
  if (family === 4) {
    ipv4.writeIpv4(frame, IP, 0, ipv4.HEADER + tcp.HEADER, ipv4.TCP, source, destination);
  } else {
    ipv6.writeIpv6(frame, IP, tcp.HEADER, ipv4.TCP);
    writeAddresses(frame, IP, 6, book, source, destination);
  }
  return writeReset(frame, family, ports, sequence, acknowledgement, hasAcknowledgement);
}

/** Writes the segment behind a plain IP header that stands at IP with its addresses. Answers the frame's length. */
export function writeReset(frame: Frame, family: number, ports: number, sequence: number, acknowledgement: number, hasAcknowledgement: boolean): number {
  const { bytes, view } = frame;
  const l4 = IP + (family === 4 ? ipv4.HEADER : ipv6.HEADER);
  const end = l4 + tcp.HEADER;
  view.setInt32(l4, ports);
  view.setInt32(l4 + tcp.SEQUENCE, sequence);
  view.setInt32(l4 + tcp.ACKNOWLEDGEMENT, hasAcknowledgement ? acknowledgement : 0);
  bytes[l4 + tcp.DATA_OFFSET] = (tcp.HEADER / 4) << 4;
  bytes[l4 + tcp.FLAG_BYTE] = hasAcknowledgement ? tcp.RST | tcp.ACK : tcp.RST;
  view.setUint16(l4 + tcp.WINDOW, 0);
  view.setUint16(l4 + tcp.CHECKSUM, 0);
  view.setUint16(l4 + tcp.URGENT, 0);
  // Both pseudo-headers are these addresses, the protocol and the length.
  const pseudo = addressesSum(frame, IP, family) + ipv4.TCP + tcp.HEADER;
  view.setUint16(l4 + tcp.CHECKSUM, ~sumOf(bytes, l4, end, pseudo) & 0xffff);
  return end;
}
