/**
 * A frame of a TUN becomes VXLAN datagrams: a super-packet is cut as the kernel would cut it (tcp_gso_segment and __udp_gso_segment, net/ipv4),
 * and a checksum that was left to us is worked out. Pure.
 *
 * Payload is not copied. What is new, headers, is written here, and the datagrams are the headers in turn, each with its piece of the payload.
 */
import { fold } from '../wire/checksum.js';
import { IP } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import * as virtio from '../wire/virtio.js';
import { ETHERTYPE, ETHERTYPE_IPV4, ETHERTYPE_IPV6, OVERHEAD } from './header.js';
import type { Memory } from './memory.js';
import { headerSum } from './packet.js';

/** Room for the headers of a super-packet's pieces: 1,364 of 48 bytes each, the least that Linux makes (TCP_MIN_SND_MSS), with all options that there are. */
const HEADERS_ROOM = 1364 * (OVERHEAD + ipv4.HEADER + 60);

/** The first segment alone says it (RFC 3168 section 6.1.2). */
const CWR = 0x80;

export class Cutter {
  /** Datagrams of the frame that was cut last. */
  count = 0;
  /** Their headers, one after another. */
  readonly headers = new Uint8Array(HEADERS_ROOM);
  /** Of each, bytes. */
  headerLength = 0;
  /** Where in the frame their payload begins and ends, and how much of it each has but for the last. */
  payload = 0;
  end = 0;
  size = 0;
  readonly #view = new DataView(this.headers.buffer);

  /**
   * Cuts the frame in the first `length` bytes of `memory`, which may be changed. False when it is not one that a TUN gives.
   * @param header Peer.header
   */
  cut(memory: Memory, length: number, header: Uint8Array): boolean {
    const { bytes, view } = memory;
    for (let at = 0; at < ETHERTYPE; at++) this.headers[at] = header[at]!;
    this.#view.setUint16(ETHERTYPE, bytes[IP]! >>> 4 === 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
    this.end = length;
    if ((bytes[virtio.GSO_TYPE]! & ~virtio.GSO_ECN) !== virtio.GSO_NONE) return this.#cut(memory, length);
    if ((bytes[virtio.FLAGS]! & virtio.NEEDS_CSUM) !== 0) {
      const start = IP + view.getUint16(virtio.CHECKSUM_START, true);
      const field = start + view.getUint16(virtio.CHECKSUM_OFFSET, true);
      if (field + 2 > length) return false;
      const checksum = ~memory.sum(start, length, 0) & 0xffff;
      // A UDP checksum of 0 would say that there is none (RFC 768); to others both zeros are the same.
      view.setUint16(field, checksum === 0 ? 0xffff : checksum);
    }
    this.count = 1;
    this.headerLength = OVERHEAD;
    this.payload = IP;
    this.size = length - IP;
    return true;
  }

  #cut(memory: Memory, length: number): boolean {
    const { bytes, view } = memory;
    const isV6 = bytes[IP]! >>> 4 === 6;
    const type = bytes[virtio.GSO_TYPE]! & ~virtio.GSO_ECN;
    const isTcp = type === (isV6 ? virtio.GSO_TCPV6 : virtio.GSO_TCPV4);
    const l4 = IP + view.getUint16(virtio.CHECKSUM_START, true);
    if ((!isTcp && type !== virtio.GSO_UDP_L4) || l4 < IP + (isV6 ? ipv6.HEADER : ipv4.HEADER) || l4 + (isTcp ? tcp.HEADER : udp.HEADER) > length) return false;
    const payload = l4 + (isTcp ? (bytes[l4 + tcp.DATA_OFFSET]! >>> 4) << 2 : udp.HEADER);
    const size = view.getUint16(virtio.GSO_SIZE, true);
    if (size === 0 || payload >= length || payload < l4 + udp.HEADER) return false;
    this.headerLength = OVERHEAD + payload - IP;
    this.payload = payload;
    this.size = size;
    this.count = Math.ceil((length - payload) / size);
    if (this.count * this.headerLength > this.headers.length) return false;
    for (let at = IP; at < payload; at++) this.headers[OVERHEAD + at - IP] = bytes[at]!;
    this.#headersOf(memory, l4 - IP, isV6, isTcp);
    return true;
  }

  /** The first header is there, with what is the same in all. */
  #headersOf(memory: Memory, l4: number, isV6: boolean, isTcp: boolean): void {
    const { headers, headerLength, payload, size, count, end } = this;
    const view = this.#view;
    const packetHeaders = headerLength - OVERHEAD;
    const l4Header = packetHeaders - l4;
    // What differs is taken out of the first, so that its sums can be begun with.
    const ip = OVERHEAD;
    const identification = isV6 ? 0 : view.getUint16(ip + ipv4.IDENTIFICATION);
    if (!isV6) for (const field of [ipv4.TOTAL_LENGTH, ipv4.IDENTIFICATION, ipv4.HEADER_CHECKSUM]) view.setUint16(ip + field, 0);
    const ipSum = isV6 ? 0 : headerSum(view, ip, l4);
    const transport = ip + l4;
    const sequence = isTcp ? view.getInt32(transport + tcp.SEQUENCE) : 0;
    const flags = isTcp ? headers[transport + tcp.FLAG_BYTE]! : 0;
    if (isTcp) {
      view.setInt32(transport + tcp.SEQUENCE, 0);
      headers[transport + tcp.FLAG_BYTE] = 0;
    } else view.setUint16(transport + udp.LENGTH, 0);
    const checksumAt = isTcp ? tcp.CHECKSUM : udp.CHECKSUM;
    view.setUint16(transport + checksumAt, 0);
    const addresses = isV6 ? headerSum(view, ip + ipv6.SOURCE, 32) : headerSum(view, ip + ipv4.SOURCE, 8);
    const l4Sum = addresses + headerSum(view, transport, l4Header) + (isTcp ? ipv4.TCP : ipv4.UDP);

    for (let i = 0, from = payload, at = 0; i < count; i++, from += size, at += headerLength) {
      if (i > 0) headers.copyWithin(at, at - headerLength, at);
      const to = Math.min(from + size, end);
      const total = packetHeaders + to - from;
      const inner = at + OVERHEAD;
      if (isV6) view.setUint16(inner + ipv6.PAYLOAD_LENGTH, total - ipv6.HEADER);
      else {
        const number = (identification + i) & 0xffff;
        view.setUint16(inner + ipv4.TOTAL_LENGTH, total);
        view.setUint16(inner + ipv4.IDENTIFICATION, number);
        view.setUint16(inner + ipv4.HEADER_CHECKSUM, ~fold(ipSum + total + number) & 0xffff);
      }
      const segment = inner + l4;
      const length = l4Header + to - from;
      if (isTcp) {
        const number = (sequence + from - payload) | 0;
        let own = flags;
        if (i < count - 1) own &= ~(tcp.FIN | tcp.PSH);
        if (i > 0) own &= ~CWR;
        view.setInt32(segment + tcp.SEQUENCE, number);
        headers[segment + tcp.FLAG_BYTE] = own;
        const sum = memory.sum(from, to, fold(l4Sum + length + (number >>> 16) + (number & 0xffff) + own));
        view.setUint16(segment + tcp.CHECKSUM, ~sum & 0xffff);
      } else {
        view.setUint16(segment + udp.LENGTH, length);
        const checksum = ~memory.sum(from, to, fold(l4Sum + length + length)) & 0xffff;
        view.setUint16(segment + udp.CHECKSUM, checksum === 0 ? 0xffff : checksum);
      }
    }
  }
}
