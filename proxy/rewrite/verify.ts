/**
 * Whether the checksums of a packet are right. Asked only where a packet ends here or is answered from here: one that is
 * passed on carries its errors to the receiver.
 */
import { pseudoSum, sumOf } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import { ICMPV6, pseudoSum6 } from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';
import * as udp from '../wire/udp.js';
import * as virtio from '../wire/virtio.js';

/** The IPv4 header's alone, which is all that a fragment has; IPv6 has none. */
export function headerRight(frame: Frame, packet: Parsed): boolean {
  return packet.family === 6 || sumOf(frame.bytes, IP, IP + packet.headersLength, 0) === 0xffff;
}

/**
 * IPv4 header and L4. A partial checksum counts as right, and so does one of TCP or UDP that the host vouches for: its field
 * may not be filled in. Nobody offloads those of ICMP.
 */
export function checksumsRight(frame: Frame, packet: Parsed): boolean {
  const { bytes, view } = frame;
  const { family, protocol, l4 } = packet;
  if (!headerRight(frame, packet)) return false;
  const isIcmp = protocol === ipv4.ICMP || protocol === ICMPV6;
  const trusted = isIcmp ? virtio.NEEDS_CSUM : virtio.NEEDS_CSUM | virtio.DATA_VALID;
  if ((bytes[virtio.FLAGS]! & trusted) !== 0) return true;
  let length = packet.l4Length;
  if (protocol === ipv4.UDP) {
    if (view.getUint16(l4 + udp.CHECKSUM) === 0) return true;
    length = view.getUint16(l4 + udp.LENGTH);
  }
  let initial = 0;
  if (family === 6) initial = pseudoSum6(frame, IP, protocol, length);
  else if (!isIcmp) initial = pseudoSum(packet.source, packet.destination, protocol, length);
  return sumOf(bytes, l4, l4 + length, initial) === 0xffff;
}
