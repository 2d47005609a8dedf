/**
 * The headers of a packet in memory, as far as cutting, merging and admitting it need them: one object that is filled again for each. Every length is
 * checked before it is used; nothing is allocated.
 */
import { fold } from '../wire/checksum.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import type { Memory } from './memory.js';

/** After `read` answered true. Offsets are of the memory. */
export class Packet {
  at = 0;
  /** Behind its last byte, by its own length. */
  end = 0;
  isV6 = false;
  /** Of the addresses. */
  source = 0;
  destination = 0;
  /** TCP or UDP; 0: something else, a fragment, or with extension headers. */
  protocol = 0;
  /** With a protocol. */
  l4 = 0;
  /** Behind all headers; with a protocol. */
  payload = 0;

  /**
   * The packet at `at`, of which `end` says how far it may reach; what is behind it is padding. False when it is none: lengths, IPv4's checksum, or
   * a fragment that cannot be one (no multiple of 8 bytes before the last, or beyond 65,535).
   */
  read(memory: Memory, at: number, end: number): boolean {
    if (end - at < ipv4.HEADER) return false;
    this.at = at;
    const version = memory.bytes[at]! >>> 4;
    if (version === 4) return this.#read4(memory, at, end);
    return version === 6 && this.#read6(memory, at, end);
  }

  #read4(memory: Memory, at: number, end: number): boolean {
    const { bytes, view } = memory;
    const header = (bytes[at]! & 15) << 2;
    const length = view.getUint16(at + ipv4.TOTAL_LENGTH);
    if (header < ipv4.HEADER || length < header || length > end - at) return false;
    if (headerSum(view, at, header) !== 0xffff) return false;
    this.end = at + length;
    this.isV6 = false;
    this.source = at + ipv4.SOURCE;
    this.destination = at + ipv4.DESTINATION;
    this.protocol = 0;
    const fragment = view.getUint16(at + ipv4.FRAGMENT);
    if ((fragment & ipv4.FRAGMENT_MASK) !== 0) {
      const payload = length - header;
      const isLast = (fragment & ipv4.MORE_FRAGMENTS) === 0;
      return (isLast || (payload > 0 && (payload & 7) === 0)) && ((fragment & ipv4.FRAGMENT_OFFSET_MASK) << 3) + length <= 0xffff;
    }
    this.#transport(bytes, bytes[at + ipv4.PROTOCOL]!, at + header);
    return true;
  }

  #read6(memory: Memory, at: number, end: number): boolean {
    const { bytes, view } = memory;
    if (end - at < ipv6.HEADER) return false;
    const length = ipv6.HEADER + view.getUint16(at + ipv6.PAYLOAD_LENGTH);
    if (length > end - at) return false;
    this.end = at + length;
    this.isV6 = true;
    this.source = at + ipv6.SOURCE;
    this.destination = at + ipv6.DESTINATION;
    this.protocol = 0;
    const next = bytes[at + ipv6.NEXT_HEADER]!;
    if (next === ipv6.FRAGMENT) return this.#isFragment6(view, at + ipv6.HEADER);
    this.#transport(bytes, next, at + ipv6.HEADER);
    return true;
  }

  #isFragment6(view: DataView, at: number): boolean {
    const payload = this.end - at - ipv6.FRAGMENT_HEADER;
    if (payload < 0) return false;
    const word = view.getUint16(at + ipv6.FRAGMENT_OFFSET);
    const isLast = (word & ipv6.MORE_FRAGMENTS) === 0;
    return (isLast || (payload > 0 && (payload & 7) === 0)) && (word & ipv6.FRAGMENT_OFFSET_MASK) + payload <= 0xffff;
  }

  #transport(bytes: Uint8Array, protocol: number, l4: number): void {
    const room = this.end - l4;
    if (protocol === ipv4.TCP && room >= tcp.HEADER) {
      const header = (bytes[l4 + tcp.DATA_OFFSET]! >>> 4) << 2;
      if (header < tcp.HEADER || header > room) return;
      this.payload = l4 + header;
    } else if (protocol === ipv4.UDP && room >= udp.HEADER) {
      this.payload = l4 + udp.HEADER;
    } else return;
    this.protocol = protocol;
    this.l4 = l4;
  }

  /** Sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1) for `length` bytes of TCP or UDP. */
  pseudoSum(view: DataView, length: number): number {
    return fold(headerSum(view, this.source, this.isV6 ? 32 : 8) + this.protocol + length);
  }
}

/** Sum of an even number of bytes, 64 at most: a header's. */
export function headerSum(view: DataView, at: number, length: number): number {
  let sum = 0;
  for (let end = at + length; at < end; at += 2) sum += view.getUint16(at);
  return fold(sum);
}
