/**
 * Cuts an IPv6 packet into fragments (RFC 8200 4.5). No router does it, so whoever hands on a datagram that came in fragments
 * and was put together must. IPv4 is cut by the kernel.
 *
 * Every fragment repeats the headers that routers read (up to Routing, else Hop-by-Hop); the rest of the packet is cut into
 * parts of a multiple of 8 bytes, the last of what is left.
 */
import { FRAME_SIZE, IP, makeFrame, type Frame } from '../wire/frame.js';
import * as ipv6 from '../wire/ipv6.js';
import { WINDOW, WindowCache } from './windows.js';

const FRAGMENT_UNIT = 8;

/** Where the fragment lies: behind as many windows as the frame that is cut has. */
const FRAGMENT_AT = Math.ceil(FRAME_SIZE / WINDOW) * WINDOW;
/** The frame that is cut, then the fragment, which is built anew each time. A thread cuts one packet at a time. */
const area = new Uint8Array(FRAGMENT_AT + FRAME_SIZE);
const fragment: Frame = makeFrame(area.subarray(FRAGMENT_AT));
const cache = new WindowCache();
const chain = new ipv6.Chain();

/**
 * Gives the fragments to `emit`, in order; the frame that it gets is valid until it returns. A packet that fits is emitted as it is.
 * @param length of the frame, whose packet `parse` accepted and whose checksum is complete
 * @param mtu 1280 or more @param identification int32, not used for this source and destination for a minute or more
 */
export function fragment6(frame: Frame, length: number, mtu: number, identification: number, emit: (frame: Frame, length: number) => void): void {
  if (length - IP <= mtu) {
    emit(frame, length);
    return;
  }
  if (!ipv6.walkChain(frame, IP + ipv6.HEADER, IP + ipv6.NEXT_HEADER, length, chain)) return;
  const { bytes, view } = fragment;
  const header = chain.routeEnd;
  const payload = header + ipv6.FRAGMENT_HEADER;
  const most = (mtu - (payload - IP)) & ~(FRAGMENT_UNIT - 1);
  // The virtio header of a packet that needs nothing is all zero, and so is this one.
  const windows = cache.of(frame.bytes);
  for (let i = 0; i * WINDOW < length; i++) area.set(windows[i]!, i * WINDOW);
  area.copyWithin(FRAGMENT_AT + IP, IP, header);
  bytes[header] = bytes[chain.routeField]!;
  bytes[header + 1] = 0;
  bytes[chain.routeField] = ipv6.FRAGMENT;
  view.setInt32(header + ipv6.FRAGMENT_ID, identification);

  for (let at = header; at < length; at += most) {
    const size = Math.min(most, length - at);
    const more = at + size < length ? ipv6.MORE_FRAGMENTS : 0;
    view.setUint16(IP + ipv6.PAYLOAD_LENGTH, payload + size - IP - ipv6.HEADER);
    view.setUint16(header + ipv6.FRAGMENT_OFFSET, (at - header) | more);
    area.copyWithin(FRAGMENT_AT + payload, at, at + size);
    emit(fragment, payload + size);
  }
}
