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

/** IP header and L4. A partial checksum, and one that the host vouches for, count as right. */
export function checksumsRight(frame: Frame, packet: Parsed): boolean {
  const { bytes, view } = frame;
  if (sumOf(bytes, IP, packet.l4, 0) !== 0xffff) return false;
  if ((bytes[virtio.FLAGS]! & (virtio.NEEDS_CSUM | virtio.DATA_VALID)) !== 0) return true;
  let length = packet.l4Length;
  let initial = 0;
  if (packet.protocol === ipv4.UDP) {
    if (view.getUint16(packet.l4 + udp.CHECKSUM) === 0) return true;
    length = view.getUint16(packet.l4 + udp.LENGTH);
  }
  if (packet.protocol !== ipv4.ICMP) initial = pseudoSum(packet.source, packet.destination, packet.protocol, length);
  return sumOf(bytes, packet.l4, packet.l4 + length, initial) === 0xffff;
}
