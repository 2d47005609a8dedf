/**
 * The MSS that a SYN offers, lowered to what fits the path (RFC 9293 3.7.1, RFC 4459 3.2). The two hosts see the MTU of
 * their own links only; where the underlay between them carries less, this spares them the loss of full-sized segments
 * wherever ICMP is lost too.
 */
import { addSums, delta16, updateChecksum } from '../wire/checksum.js';
import type { Frame } from '../wire/frame.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';

/**
 * Lowers the MSS option of a SYN or SYN,ACK to `mss` (bytes of payload, without any header: 1 to 65,535). True when the
 * packet was changed; a lower one stays, and none is added where there is none (536 or 1220 bytes are meant then).
 */
export function clampMss(frame: Frame, packet: Parsed, mss: number): boolean {
  if ((packet.flags & tcp.SYN) === 0) return false;
  const { bytes, view } = frame;
  const { l4 } = packet;
  const option = tcp.findOption(bytes, l4 + tcp.HEADER, l4 + packet.l4Length - packet.payloadLength, tcp.OPTION_MSS, tcp.OPTION_MSS_LENGTH);
  if (option === 0) return false;
  const at = option + 2;
  if (view.getUint16(at) <= mss) return false;

  // The checksum's words start at even offsets. At an odd one the value lies in two of them.
  const first = at - ((at - l4) & 1);
  const second = first + 2;
  const before = view.getUint16(first);
  const beforeSecond = view.getUint16(second);
  view.setUint16(at, mss);
  // A partial checksum holds the pseudo-header's sum only.
  if (!packet.needsChecksum) {
    const delta = addSums(delta16(before, view.getUint16(first)), delta16(beforeSecond, view.getUint16(second)));
    view.setUint16(l4 + tcp.CHECKSUM, updateChecksum(view.getUint16(l4 + tcp.CHECKSUM), delta));
  }
  return true;
}
