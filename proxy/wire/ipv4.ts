/**
 * IPv4 (RFC 791): offsets into a header, and how to write a plain one. No state; offsets are from the header's first byte.
 */
import { sumOf } from './checksum.js';
import type { Frame } from './frame.js';

export const VERSION_IHL = 0;
export const TOS = 1;
export const TOTAL_LENGTH = 2;
export const IDENTIFICATION = 4;
/** Flags in the upper 3 bits, fragment offset in units of 8 bytes in the others. */
export const FRAGMENT = 6;
export const TTL = 8;
export const PROTOCOL = 9;
export const HEADER_CHECKSUM = 10;
export const SOURCE = 12;
export const DESTINATION = 16;
/** Without options. */
export const HEADER = 20;

export const DONT_FRAGMENT = 0x4000;
export const MORE_FRAGMENTS = 0x2000;
/** More Fragments, or an offset other than 0: a part of a datagram only. */
export const FRAGMENT_MASK = 0x3fff;
export const FRAGMENT_OFFSET_MASK = 0x1fff;

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;

/** RFC 1700 and what hosts use. */
export const DEFAULT_TTL = 64;

/** Writes a 20-byte header with its checksum at `at`: not fragmented, DF, so the identification is 0 (RFC 6864 4.1). */
export function writeIpv4(frame: Frame, at: number, tos: number, totalLength: number, protocol: number, source: number, destination: number): void {
  const { bytes, view } = frame;
  bytes[at + VERSION_IHL] = 0x45;
  bytes[at + TOS] = tos;
  view.setUint16(at + TOTAL_LENGTH, totalLength);
  view.setUint16(at + IDENTIFICATION, 0);
  view.setUint16(at + FRAGMENT, DONT_FRAGMENT);
  bytes[at + TTL] = DEFAULT_TTL;
  bytes[at + PROTOCOL] = protocol;
  view.setUint16(at + HEADER_CHECKSUM, 0);
  view.setInt32(at + SOURCE, source);
  view.setInt32(at + DESTINATION, destination);
  view.setUint16(at + HEADER_CHECKSUM, ~sumOf(bytes, at, at + HEADER, 0) & 0xffff);
}

/**
 * False for sources that nothing may be sent back to (RFC 1122 3.2.1.3): this-network, loopback, multicast, class E and
 * broadcast.
 */
export function canAnswer(source: number): boolean {
  const first = source >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}
