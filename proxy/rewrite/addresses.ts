/**
 * Addresses on their way into a packet. An IPv4 address is its int32; an IPv6 address is a handle, whose words an address
 * book knows (flow/address-book.ts).
 */
import { sumOf } from '../wire/checksum.js';
import { IP, type Frame } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';

/** What rewriting asks of an address book. Asked about IPv6 handles only. */
export interface AddressWords {
  /** int32, `i` from 0 (most significant) to 3. */
  word(handle: number, i: number): number;
}

/** Writes source (0: the one that is there stays) and destination of the packet whose header is at `at`. No checksum follows. */
export function writeAddresses(frame: Frame, at: number, family: number, book: AddressWords, source: number, destination: number): void {
  const { view } = frame;
  if (family === 4) {
    if (source !== 0) view.setInt32(at + ipv4.SOURCE, source);
    view.setInt32(at + ipv4.DESTINATION, destination);
    return;
  }
  for (let i = 0; i < 4; i++) {
    if (source !== 0) view.setInt32(at + ipv6.SOURCE + i * 4, book.word(source, i));
    view.setInt32(at + ipv6.DESTINATION + i * 4, book.word(destination, i));
  }
}

/** Sum of source and destination of the packet whose header is at `at`, folded. */
export function addressesSum(frame: Frame, at: number, family: number): number {
  const start = at + (family === 4 ? ipv4.SOURCE : ipv6.SOURCE);
  return sumOf(frame.bytes, start, at + (family === 4 ? ipv4.HEADER : ipv6.HEADER), 0);
}

/** Source and destination of the frame's packet, exchanged. */
export function swapAddresses(frame: Frame, family: number): void {
  const { view } = frame;
  const size = family === 4 ? 4 : 16;
  const start = IP + (family === 4 ? ipv4.SOURCE : ipv6.SOURCE);
  for (let at = start; at < start + size; at += 4) {
    const source = view.getInt32(at);
    view.setInt32(at, view.getInt32(at + size));
    view.setInt32(at + size, source);
  }
}
