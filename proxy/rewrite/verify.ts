/**
 * Whether the checksums of a packet are right. Asked only where a packet ends here or is answered from here: one that is
 * passed on carries its errors to the receiver.
 */
import { pseudoSum, sumOf } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import type { Parsed } from '../wire/parsed.js';
import * as udp from '../wire/udp.js';
import * as virtio from '../wire/virtio.js';

/**
 * IP header and L4. A partial checksum counts as right, and so does one of TCP or UDP that the host vouches for: its field
 * may not be filled in. Nobody offloads those of ICMP.
 */
export function checksumsRight(frame: Frame, packet: Parsed): boolean {
  const { bytes, view } = frame;
  if (sumOf(bytes, IP, packet.l4, 0) !== 0xffff) return false;
  const trusted = packet.protocol === ipv4.ICMP ? virtio.NEEDS_CSUM : virtio.NEEDS_CSUM | virtio.DATA_VALID;
  if ((bytes[virtio.FLAGS]! & trusted) !== 0) return true;
  let length = packet.l4Length;
  let initial = 0;
  if (packet.protocol === ipv4.UDP) {
    if (view.getUint16(packet.l4 + udp.CHECKSUM) === 0) return true;
    length = view.getUint16(packet.l4 + udp.LENGTH);
  }
  if (packet.protocol !== ipv4.ICMP) initial = pseudoSum(packet.source, packet.destination, packet.protocol, length);
  return sumOf(bytes, packet.l4, packet.l4 + length, initial) === 0xffff;
}
