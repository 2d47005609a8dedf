/**
 * Changes a packet's tuple in place: addresses, ports, IP header checksum, L4 checksum. Decides nothing.
 *
 * A super-packet (GSO) is changed once, like any other: its segments are cut later and inherit what is written here, and
 * the virtio header goes back as it came. An error in a checksum that came with the packet is still an error of the same
 * size afterwards, so the receiver sees it.
 * The TTL is left alone: the sandbox's router takes one off before the packet gets here and one after, as for a hop.
 */
import { addSums, updateChecksum } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';

/**
 * @param packet parsed from `frame`, of TCP or UDP
 * @param ports source << 16 | destination
 * @param addressDelta change of the addresses' sum, folded @param delta the same with the ports'
 */
export function applyTuple(
  frame: Frame,
  packet: Parsed,
  source: number,
  destination: number,
  ports: number,
  addressDelta: number,
  delta: number,
): void {
  const view = frame.view;
  const l4 = packet.l4;
  view.setInt32(IP + ipv4.SOURCE, source);
  view.setInt32(IP + ipv4.DESTINATION, destination);
  view.setUint16(IP + ipv4.HEADER_CHECKSUM, updateChecksum(view.getUint16(IP + ipv4.HEADER_CHECKSUM), addressDelta));
  view.setInt32(l4, ports);

  if (packet.protocol === ipv4.TCP) {
    const at = l4 + tcp.CHECKSUM;
    const checksum = view.getUint16(at);
    view.setUint16(at, packet.needsChecksum ? addSums(checksum, addressDelta) : updateChecksum(checksum, delta));
  } else {
    const at = l4 + udp.CHECKSUM;
    const checksum = view.getUint16(at);
    if (packet.needsChecksum) view.setUint16(at, addSums(checksum, addressDelta));
    // 0 says "no checksum" and must stay; a computed 0 must not say it (RFC 768).
    else if (checksum !== 0) view.setUint16(at, updateChecksum(checksum, delta) || 0xffff);
  }
}
