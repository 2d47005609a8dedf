/**
 * Packets that came one by one become super-packets again, by the rules of the kernel's GRO (inet_gro_receive, ipv6_gro_receive, tcp_gro_receive): segments of one
 * flow that follow one another, and that differ in nothing but what a cut makes different. What comes out can be cut into what came in. Pure.
 *
 * One super-packet is under way at a time: a node sends a flow's super-packet as one train of datagrams. So nothing is ever reordered.
 *
 * Each TCP checksum is verified, and the kernel told so. A packet whose checksum is only begun (its field is the pseudo-header's sum) has never been on
 * a wire: a kernel's VXLAN device on this very machine leaves it so, uncut even. Then the rest is the kernel's to do, as for any sender's.
 */
import { fold } from '../wire/checksum.js';
import { IP } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import * as virtio from '../wire/virtio.js';
import type { Memory } from './memory.js';
import type { Network } from './network.js';
import { headerSum, type Packet } from './packet.js';

/** Pieces of a super-packet: the most that one writev takes (UIO_MAXIOV), less one for its headers. */
const MOST_PIECES = 1023;
const LARGEST = 0xffff;
/** Flags of a segment that can be merged; FIN or PSH ends its super-packet. */
const MERGED_FLAGS = tcp.ACK | tcp.PSH | tcp.FIN | 0x40;

/** Takes what has come together: `head`, and then `pieces`. It is not kept. */
export type Deliver = (network: Network, merger: Merger) => void;

export class Merger {
  /** A virtio-net header, and headers of the packet where it was merged. */
  readonly head = new Uint8Array(IP + ipv6.HEADER + 60);
  headLength = 0;
  /** Where in memory the rest begins and how long it is, in turn. */
  readonly pieces = new Int32Array(2 * MOST_PIECES);
  pieceCount = 0;
  readonly #view = new DataView(this.head.buffer);
  readonly #memory: Memory;
  readonly #deliver: Deliver;
  /** Of the super-packet under way. */
  #network: Network | undefined;
  #at = 0;
  #l4 = 0;
  #payload = 0;
  #isV6 = false;
  #size = 0;
  #total = 0;
  #next = 0;
  #flags = 0;
  /** IPv4 identifications that are all the same, and not one more each. */
  #isFixed = false;
  #isPartial = false;

  constructor(memory: Memory, deliver: Deliver) {
    this.#memory = memory;
    this.#deliver = deliver;
  }

  /** The next packet of a network. What it is in stays as it is until `flush`. */
  add(network: Network, packet: Packet): void {
    const { view, bytes } = this.#memory;
    const { at, end, l4, payload } = packet;
    if (packet.protocol !== ipv4.TCP) {
      this.flush();
      this.#single(network, packet, packet.protocol === ipv4.UDP && this.#isPartialUdp(packet) ? virtio.NEEDS_CSUM : 0);
      return;
    }
    const pseudo = packet.pseudoSum(view, end - l4);
    const isPartial = view.getUint16(l4 + tcp.CHECKSUM) === pseudo;
    const isRight = this.#memory.sum(l4, end, pseudo) === 0xffff;
    const flags = bytes[l4 + tcp.FLAG_BYTE]!;
    const isMergeable = (isRight || isPartial) && end > payload && end - at <= network.mtu && (flags & ~MERGED_FLAGS) === 0 && (flags & tcp.ACK) !== 0 && (packet.isV6 || l4 - at === ipv4.HEADER);
    if (!isMergeable) {
      this.flush();
      this.#single(network, packet, isRight ? virtio.DATA_VALID : isPartial ? virtio.NEEDS_CSUM : 0);
      return;
    }
    if (this.#network === network && this.#follows(packet)) this.#piece(payload, end, l4);
    else {
      this.flush();
      this.#begin(network, packet);
    }
    this.#isPartial ||= !isRight;
    if ((flags & (tcp.PSH | tcp.FIN)) !== 0 || end - payload < this.#size) this.flush();
  }

  #begin(network: Network, { at, l4, payload, end, isV6 }: Packet): void {
    const { view } = this.#memory;
    this.#network = network;
    this.#at = at;
    this.#l4 = l4;
    this.#payload = payload;
    this.#isV6 = isV6;
    this.#size = end - payload;
    this.#isFixed = false;
    this.#isPartial = false;
    this.#total = payload - at;
    this.#next = view.getInt32(l4 + tcp.SEQUENCE);
    this.#flags = 0;
    this.pieceCount = 0;
    this.#piece(payload, end, l4);
  }

  #piece(from: number, to: number, l4: number): void {
    this.pieces[2 * this.pieceCount] = from;
    this.pieces[2 * this.pieceCount + 1] = to - from;
    this.pieceCount++;
    this.#total += to - from;
    this.#next = (this.#next + to - from) | 0;
    this.#flags |= this.#memory.bytes[l4 + tcp.FLAG_BYTE]!;
  }

  /** Whether the packet is the next of the super-packet under way. */
  #follows(packet: Packet): boolean {
    const { view, bytes } = this.#memory;
    const { at, l4, payload, end } = packet;
    const length = end - payload;
    if (packet.isV6 !== this.#isV6 || payload - l4 !== this.#payload - this.#l4 || length > this.#size) return false;
    if (this.#total + length > LARGEST || this.pieceCount === MOST_PIECES) return false;
    if (view.getInt32(l4 + tcp.SEQUENCE) !== this.#next) return false;
    if (!(this.#isV6 ? this.#sameIpv6(at) : this.#sameIpv4(at))) return false;
    const first = this.#l4;
    if (view.getInt32(l4) !== view.getInt32(first) || view.getInt32(l4 + tcp.ACKNOWLEDGEMENT) !== view.getInt32(first + tcp.ACKNOWLEDGEMENT)) return false;
    const mask = ~(tcp.FIN | tcp.PSH);
    if (bytes[l4 + tcp.DATA_OFFSET] !== bytes[first + tcp.DATA_OFFSET] || (bytes[l4 + tcp.FLAG_BYTE]! & mask) !== (bytes[first + tcp.FLAG_BYTE]! & mask)) return false;
    if (view.getUint16(l4 + tcp.WINDOW) !== view.getUint16(first + tcp.WINDOW) || view.getUint16(l4 + tcp.URGENT) !== view.getUint16(first + tcp.URGENT)) return false;
    for (let i = tcp.HEADER; i < payload - l4; i += 4) if (view.getInt32(l4 + i) !== view.getInt32(first + i)) return false;
    return true;
  }

  #sameIpv4(at: number): boolean {
    const { view } = this.#memory;
    const first = this.#at;
    if (view.getUint16(at) !== view.getUint16(first) || view.getUint16(at + ipv4.TTL) !== view.getUint16(first + ipv4.TTL)) return false;
    if (view.getInt32(at + ipv4.SOURCE) !== view.getInt32(first + ipv4.SOURCE) || view.getInt32(at + ipv4.DESTINATION) !== view.getInt32(first + ipv4.DESTINATION)) return false;
    const fragment = view.getUint16(at + ipv4.FRAGMENT);
    if (fragment !== view.getUint16(first + ipv4.FRAGMENT)) return false;
    const step = (view.getUint16(at + ipv4.IDENTIFICATION) - view.getUint16(first + ipv4.IDENTIFICATION)) & 0xffff;
    // Which of the two it is, the second packet says. With DF a number has no meaning (RFC 6864 section 4.1).
    if (this.pieceCount === 1) this.#isFixed = step === 0 && (fragment & ipv4.DONT_FRAGMENT) !== 0;
    return step === (this.#isFixed ? 0 : this.pieceCount);
  }

  #sameIpv6(at: number): boolean {
    const { view } = this.#memory;
    const first = this.#at;
    if (view.getInt32(at) !== view.getInt32(first) || view.getUint16(at + ipv6.NEXT_HEADER) !== view.getUint16(first + ipv6.NEXT_HEADER)) return false;
    for (let i = ipv6.SOURCE; i < ipv6.HEADER; i += 4) if (view.getInt32(at + i) !== view.getInt32(first + i)) return false;
    return true;
  }

  /** Delivers what is under way. */
  flush(): void {
    const network = this.#network;
    if (network === undefined) return;
    this.#network = undefined;
    if (this.pieceCount === 1) {
      this.#whole(this.#at, this.#payload + this.#size);
      this.#orders(this.#isPartial ? virtio.NEEDS_CSUM : virtio.DATA_VALID, this.#l4 - this.#at, tcp.CHECKSUM);
    } else this.#heads();
    this.#deliver(network, this);
  }

  /** The headers of what was merged. */
  #heads(): void {
    const { head } = this;
    const { bytes, view: memory } = this.#memory;
    const view = this.#view;
    const [at, length] = [this.#at, this.#payload - this.#at];
    for (let i = 0; i < length; i++) head[IP + i] = bytes[at + i]!;
    this.headLength = IP + length;
    const l4 = this.#l4 - at;
    this.#orders(virtio.NEEDS_CSUM, l4, tcp.CHECKSUM);
    this.#cutAgain(this.#isV6, length, this.#size);
    if (this.#isV6) view.setUint16(IP + ipv6.PAYLOAD_LENGTH, this.#total - ipv6.HEADER);
    else {
      view.setUint16(IP + ipv4.TOTAL_LENGTH, this.#total);
      view.setUint16(IP + ipv4.HEADER_CHECKSUM, 0);
      view.setUint16(IP + ipv4.HEADER_CHECKSUM, ~headerSum(view, IP, ipv4.HEADER) & 0xffff);
    }
    head[IP + l4 + tcp.FLAG_BYTE] = this.#flags;
    const addresses = this.#isV6 ? headerSum(memory, at + ipv6.SOURCE, 32) : headerSum(memory, at + ipv4.SOURCE, 8);
    view.setUint16(IP + l4 + tcp.CHECKSUM, fold(addresses + ipv4.TCP + this.#total - l4));
  }

  #single(network: Network, packet: Packet, flags: number): void {
    const { at, end, l4, payload } = packet;
    this.#whole(at, end);
    const isTcp = packet.protocol === ipv4.TCP;
    this.#orders(flags, l4 - at, isTcp ? tcp.CHECKSUM : udp.CHECKSUM);
    // No wire has carried this.
    if (isTcp && flags === virtio.NEEDS_CSUM && end - at > network.mtu) this.#cutAgain(packet.isV6, payload - at, network.mtu - (payload - at));
    this.#deliver(network, this);
  }

  /** One piece, and nothing in the virtio-net header. */
  #whole(at: number, end: number): void {
    this.pieces[0] = at;
    this.pieces[1] = end - at;
    this.pieceCount = 1;
    this.headLength = IP;
  }

  #orders(flags: number, start: number, field: number): void {
    const view = this.#view;
    virtio.clearVirtioHeader(this.head);
    this.head[virtio.FLAGS] = flags;
    if (flags !== virtio.NEEDS_CSUM) return;
    view.setUint16(virtio.CHECKSUM_START, start, true);
    view.setUint16(virtio.CHECKSUM_OFFSET, field, true);
  }

  #cutAgain(isV6: boolean, headers: number, size: number): void {
    this.head[virtio.GSO_TYPE] = isV6 ? virtio.GSO_TCPV6 : virtio.GSO_TCPV4;
    this.#view.setUint16(virtio.HEADER_LENGTH, headers, true);
    this.#view.setUint16(virtio.GSO_SIZE, size, true);
  }

  /** Most have a whole checksum, and are not summed. */
  #isPartialUdp(packet: Packet): boolean {
    const { view } = this.#memory;
    const { l4, end } = packet;
    const length = view.getUint16(l4 + udp.LENGTH);
    if (length !== end - l4) return false;
    const pseudo = packet.pseudoSum(view, length);
    return view.getUint16(l4 + udp.CHECKSUM) === pseudo && this.#memory.sum(l4, end, pseudo) !== 0xffff;
  }
}
