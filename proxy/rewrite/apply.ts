/**
 * Changes a packet's tuple in place: addresses, ports or ICMP identifier, IPv4 header checksum, L4 checksum. Decides nothing.
 *
 * A super-packet (GSO) is changed once, like any other: its segments are cut later and inherit what is written here, and
 * the virtio header goes back as it came. An error in a checksum that came with the packet is still an error of the same
 * size afterwards, so the receiver sees it.
 * The TTL is left alone: the sandbox's router takes one off before the packet gets here and one after, as for a hop.
 */
import { addSums, updateChecksum } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import { type AddressWords, writeAddresses } from './addresses.js';

/**
 * @param packet parsed from `frame`: TCP, UDP, or an ICMP or ICMPv6 echo
 * @param source address; for IPv6 a handle of `book` @param destination likewise
 * @param ports source << 16 | destination; of an echo the identifier is the one that is not 0
 * @param addressDelta change of the addresses' sum, folded @param delta the same with the ports'
 */
export function applyTuple(
  frame: Frame,
  packet: Parsed,
  book: AddressWords,
  source: number,
  destination: number,
  ports: number,
  addressDelta: number,
  delta: number,
): void {
  const view = frame.view;
  const l4 = packet.l4;
  if (packet.family === 4) {
    view.setInt32(IP + ipv4.SOURCE, source);
    view.setInt32(IP + ipv4.DESTINATION, destination);
    view.setUint16(IP + ipv4.HEADER_CHECKSUM, updateChecksum(view.getUint16(IP + ipv4.HEADER_CHECKSUM), addressDelta));
  } else {
    writeAddresses(frame, IP, 6, book, source, destination);
  }

  if (packet.protocol === ipv4.TCP) {
    view.setInt32(l4, ports);
    const at = l4 + tcp.CHECKSUM;
    const checksum = view.getUint16(at);
    view.setUint16(at, packet.needsChecksum ? addSums(checksum, addressDelta) : updateChecksum(checksum, delta));
  } else if (packet.protocol === ipv4.UDP) {
    view.setInt32(l4, ports);
    const at = l4 + udp.CHECKSUM;
    const checksum = view.getUint16(at);
    if (packet.needsChecksum) view.setUint16(at, addSums(checksum, addressDelta));
    // 0 says "no checksum" and must stay; a computed 0 must not say it (RFC 768).
    else if (checksum !== 0) view.setUint16(at, updateChecksum(checksum, delta) || 0xffff);
  } else {
    applyIdentifier(frame, packet, ports, addressDelta, delta);
  }
}

/** ICMP's checksum has no pseudo-header, so the addresses are not in it; ICMPv6's has one. */
function applyIdentifier(frame: Frame, packet: Parsed, ports: number, addressDelta: number, delta: number): void {
  const { view } = frame;
  const at = packet.l4 + icmp.CHECKSUM;
  const checksum = view.getUint16(at);
  view.setUint16(packet.l4 + icmp.IDENTIFIER, (ports >>> 16) | (ports & 0xffff));
  if (packet.family === 6) {
    view.setUint16(at, packet.needsChecksum ? addSums(checksum, addressDelta) : updateChecksum(checksum, delta));
  } else if (!packet.needsChecksum) {
    view.setUint16(at, updateChecksum(checksum, addSums(delta, ~addressDelta & 0xffff)));
  }
}
