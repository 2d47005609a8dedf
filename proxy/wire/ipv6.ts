/**
 * IPv6 (RFC 8200): offsets into a header, the walk over extension headers, and how to write a plain header. No state;
 * offsets are from the header's first byte.
 *
 * The walk steps over Hop-by-Hop Options, Destination Options, Routing and Fragment; what their options say is for routers
 * and the receiver to obey. Anything else (ESP, AH, No Next Header, …) ends it as the "protocol".
 */
import { fold, sumOf } from './checksum.js';
import type { Frame } from './frame.js';

/** Version, traffic class, flow label. */
export const VERSION_CLASS_FLOW = 0;
/** Without the 40 bytes of this header. */
export const PAYLOAD_LENGTH = 4;
export const NEXT_HEADER = 6;
export const HOP_LIMIT = 7;
export const SOURCE = 8;
export const DESTINATION = 24;
export const HEADER = 40;
/** Every link carries packets of this size (RFC 8200 5). */
export const MINIMUM_MTU = 1280;

export const HOP_BY_HOP = 0;
export const ROUTING = 43;
export const FRAGMENT = 44;
export const DESTINATION_OPTIONS = 60;
export const ICMPV6 = 58;

/** Offsets in a Fragment header (RFC 8200 4.5). Offset in units of 8 bytes in the upper 13 bits, More in the lowest. */
export const FRAGMENT_OFFSET = 2;
export const FRAGMENT_ID = 4;
export const FRAGMENT_HEADER = 8;
export const FRAGMENT_OFFSET_MASK = 0xfff8;
export const MORE_FRAGMENTS = 1;

/** In a Routing header. In every extension header the first two bytes are next header and length (RFC 6564). */
const SEGMENTS_LEFT = 3;

/** Extension headers, and bytes of them, that a packet of any host's making stays far below. */
const MOST_HEADERS = 8;
const MOST_BYTES = 256;

/** RFC 1700 and what hosts use. */
export const DEFAULT_HOP_LIMIT = 64;

/** What a walk found. Made once and reused; valid when `walkChain` answered true. Offsets are in the frame. */
export class Chain {
  /** Type of what follows the last header walked over. */
  protocol = 0;
  /** Offset of what follows. */
  end = 0;
  /** Offset of the Fragment header that ended the walk; 0 when none did. */
  fragment = 0;
  /** Offset of the byte that says FRAGMENT or, without a Fragment header, `protocol`. */
  field = 0;
  /** End of what routers on the way read, which every fragment repeats: up to Routing, else Hop-by-Hop (RFC 8200 4.5). */
  routeEnd = 0;
  /** Offset of the byte that says what follows that. */
  routeField = 0;
}

/**
 * Walks from `start`, a header of type `bytes[field]`, to the transport header, or over the first Fragment header: what
 * follows that one is whole in the datagram only.
 * False when the chain is malformed: cut off at `end`, Hop-by-Hop elsewhere than behind the IPv6 header (RFC 8200 4.1), a
 * Routing header with segments left (we are not a stop of its way), more than 8 headers or 256 bytes.
 */
export function walkChain(frame: Frame, start: number, field: number, end: number, into: Chain): boolean {
  const { bytes } = frame;
  let type = bytes[field]!;
  let at = start;
  into.fragment = 0;
  into.routeEnd = start;
  into.routeField = field;
  for (let headers = 0; ; headers++) {
    if (type !== HOP_BY_HOP && type !== DESTINATION_OPTIONS && type !== ROUTING && type !== FRAGMENT) break;
    if (headers === MOST_HEADERS || at + 8 > end) return false;
    if (type === FRAGMENT) {
      into.fragment = at;
      into.protocol = bytes[at]!;
      into.end = at + FRAGMENT_HEADER;
      into.field = field;
      return true;
    }
    if (type === HOP_BY_HOP && at - field !== HEADER - NEXT_HEADER) return false;
    if (type === ROUTING && bytes[at + SEGMENTS_LEFT] !== 0) return false;
    const next = at + ((bytes[at + 1]! + 1) << 3);
    if (next > end || next - start > MOST_BYTES) return false;
    if (type !== DESTINATION_OPTIONS) {
      into.routeEnd = next;
      into.routeField = at;
    }
    field = at;
    type = bytes[at]!;
    at = next;
  }
  into.protocol = type;
  into.end = at;
  into.field = field;
  return true;
}

/** Writes a header at `at`, without extensions, of traffic class and flow label 0. The addresses are the caller's to write. */
export function writeIpv6(frame: Frame, at: number, payloadLength: number, nextHeader: number): void {
  const { bytes, view } = frame;
  view.setInt32(at + VERSION_CLASS_FLOW, 0x60000000);
  view.setUint16(at + PAYLOAD_LENGTH, payloadLength);
  bytes[at + NEXT_HEADER] = nextHeader;
  bytes[at + HOP_LIMIT] = DEFAULT_HOP_LIMIT;
}

/** Sum of the pseudo-header (RFC 8200 8.1) of the IPv6 packet whose header is at `at`. `length` counts the L4 header. */
export function pseudoSum6(frame: Frame, at: number, protocol: number, length: number): number {
  return sumOf(frame.bytes, at + SOURCE, at + HEADER, fold(protocol + length));
}

/** Whether source and destination are the same. */
export function isLand(frame: Frame, at: number): boolean {
  const { view } = frame;
  for (let word = at + SOURCE; word < at + DESTINATION; word += 4) {
    if (view.getInt32(word) !== view.getInt32(word + 16)) return false;
  }
  return true;
}

/**
 * False for sources that nothing may be sent back to: unspecified, loopback (RFC 4291 2.5.2 and 2.5.3) and multicast (RFC
 * 4443 2.4 e.6). `at`: the packet's header.
 */
export function canAnswer6(frame: Frame, at: number): boolean {
  const { view } = frame;
  const source = at + SOURCE;
  const first = view.getInt32(source);
  if (first >>> 24 === 0xff) return false;
  if ((first | view.getInt32(source + 4) | view.getInt32(source + 8)) !== 0) return true;
  return view.getInt32(source + 12) >>> 1 !== 0;
}
