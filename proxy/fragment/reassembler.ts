/**
 * Reassembly of IPv4 and IPv6 datagrams (RFC 791 3.2, RFC 8200 4.5): fragments in, in any order, a whole packet out.
 *
 * Only a first fragment has ports, so that a flow can be found for a datagram only when it is whole. A fragment is held until
 * the others of its datagram have come or its time is over; memory is allotted once, and where it or the number of datagrams
 * does not suffice, the oldest datagram gives way. Nothing is sent about one that was given up: its sender will retry.
 *
 * A datagram is dropped as soon as one of its fragments contradicts what is held of it:
 * - it overlaps another one (RFC 5722, RFC 8200 4.5); the very same once more is ignored
 * - it lies behind the end, or ends elsewhere than the last fragment said
 * - it is empty, or not a multiple of 8 bytes and not the last
 * - it is the first and does not hold the whole L4 header and what stands before it (RFC 1858, RFC 7112): what is decided by
 *   ports and flags must not hide from who looks at first fragments only
 * - the whole would be longer than an IP header can say
 * - some fragments met congestion, by ECN, and others cannot have (RFC 3168 5.3)
 *
 * An IPv6 fragment that is alone (offset 0, no more) is whole at once and touches no other (RFC 6946).
 *
 * What comes out is as it was before it was cut, with the first fragment's headers. IPv4 gets a new identification and loses
 * Don't Fragment, since who sends it on must cut it again; IPv6 is cut again by fragmenter.ts.
 */
import { sumOf } from '../wire/checksum.js';
import { IP, LARGEST_PACKET, makeFrame, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import * as udp from '../wire/udp.js';
import { clearVirtioHeader } from '../wire/virtio.js';
import { DatagramList } from './datagram-list.js';
import { CHUNK, PieceStore } from './piece-store.js';

/** What becomes of fragments. Every one that is received is counted once more, as one of the others, when that is known. */
export const FragmentEvent = {
  received: 0,
  /** Became a whole datagram, together. */
  reassembled: 1,
  /** The very same was held already. */
  duplicate: 2,
  /** Of a datagram with overlapping or contradicting fragments. */
  overlap: 3,
  /** Of a datagram that could not be made, or with a first fragment that was too short. */
  malformed: 4,
  /** Of a datagram that was not whole in time. */
  timeout: 5,
  /** Of a datagram that gave way to a newer one. */
  memory: 6,
} as const;

export interface ReassemblerOptions {
  /** Told of `fragments` fragments, 1 or more, that met with a FragmentEvent. */
  readonly count: (event: number, fragments: number) => void;
  /**
   * Told of a datagram that was not whole in time and whose first fragment came: that fragment as it came, without a virtio
   * header. The frame is the callee's to change until it returns.
   */
  readonly timedOut?: (network: number, firstFragment: Frame, length: number) => void;
  /** Datagrams held at once, at least 1. Default 256. */
  readonly maxDatagrams?: number;
  /** Bytes held at once, at least 128 KiB: the largest datagram with its headers. Default 4 MiB. */
  readonly maxBytes?: number;
  /** How long a datagram is waited for, from its first fragment to come. Default 30 s, as in Linux. */
  readonly timeoutMs?: number;
  /** The identification of the first IPv4 datagram is the next number. Best random. 0 to 65535. */
  readonly identification?: number;
}

const NONE = -1;
const LEAST_BYTES = 128 * 1024;
const LARGEST_IPV4 = 65_535;
const ECN_MASK = 3;
const ECN_CE = 3;

export class Reassembler {
  readonly #count: (event: number, fragments: number) => void;
  readonly #timedOut: ReassemblerOptions['timedOut'];
  /** For the first fragment of what was not whole in time. */
  readonly #late = makeFrame();
  readonly #timeoutMs: number;
  readonly #list: DatagramList;
  readonly #maxDatagrams: number;
  readonly #pieces: PieceStore;
  readonly #chain = new ipv6.Chain();
  #identification: number;

  // By place of the datagram in the list.
  readonly #deadline: Float64Array;
  /** Headers of the first fragment, a piece; NONE until it came. */
  readonly #headers: Int32Array;
  /** IPv6: offset in a frame of the byte that announces the Fragment header, which is the last of the headers. */
  readonly #field: Int32Array;
  /** Pieces of the payload in order. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Bytes held. */
  readonly #received: Int32Array;
  /** Bytes of the whole payload; NONE until the last fragment came. */
  readonly #total: Int32Array;
  readonly #fragments: Int32Array;
  /** Bit n: a fragment had ECN n. */
  readonly #ecn: Int32Array;

  constructor(options: ReassemblerOptions) {
    const { maxDatagrams = 256, maxBytes = 4 * 1024 * 1024 } = options;
    if (maxDatagrams < 1 || maxBytes < LEAST_BYTES) throw new RangeError(`reassembly needs 1 datagram and ${LEAST_BYTES} bytes at least`);
    this.#count = options.count;
    this.#timedOut = options.timedOut;
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#identification = options.identification ?? 0;
    this.#list = new DatagramList(maxDatagrams);
    this.#maxDatagrams = maxDatagrams;
    this.#pieces = new PieceStore(maxBytes);
    this.#deadline = new Float64Array(maxDatagrams);
    this.#headers = new Int32Array(maxDatagrams);
    this.#field = new Int32Array(maxDatagrams);
    this.#first = new Int32Array(maxDatagrams);
    this.#last = new Int32Array(maxDatagrams);
    this.#received = new Int32Array(maxDatagrams);
    this.#total = new Int32Array(maxDatagrams);
    this.#fragments = new Int32Array(maxDatagrams);
    this.#ecn = new Int32Array(maxDatagrams);
  }

  /** Datagrams that wait for fragments. */
  get size(): number {
    return this.#list.size;
  }

  /** Bytes of memory that can be taken without a datagram giving way. */
  get available(): number {
    return this.#pieces.available * CHUNK;
  }

  /**
   * Takes a fragment: `parse` answered Reason.fragment for it. Answers the length of the whole datagram, which is then in
   * `frame` (FRAME_SIZE long) with complete headers and a cleared virtio header; 0 when the fragment is held or dropped.
   */
  add(frame: Frame, packet: Parsed, network: number, nowMs: number): number {
    this.#count(FragmentEvent.received, 1);
    const isFine = this.#isFine(frame, packet);
    if (packet.fragmentHeader !== 0 && packet.fragmentOffset === 0 && !packet.moreFragments) {
      this.#count(isFine ? FragmentEvent.reassembled : FragmentEvent.malformed, 1);
      return isFine ? makeWhole(frame, packet) : 0;
    }

    let place = this.#list.find(frame, packet, network);
    if (!isFine) return this.#drop(place, FragmentEvent.malformed, 1);
    const before = place < 0 ? NONE : this.#pieceBefore(place, packet);
    if (place >= 0) {
      const fault = this.#contradiction(place, before, frame, packet);
      if (fault === FragmentEvent.duplicate) this.#count(fault, 1);
      if (fault !== 0) return fault === FragmentEvent.duplicate ? 0 : this.#drop(place, fault, 1);
    }
    if (!this.#makeRoom(place, packet)) return this.#drop(place, FragmentEvent.memory, 1);
    if (place < 0) place = this.#begin(nowMs);
    this.#hold(place, before, frame, packet);
    return this.#received[place] === this.#total[place] ? this.#finish(place, frame, packet.family) : 0;
  }

  /** Drops datagrams whose time is over. To be called now and then: they take memory until then. */
  expire(nowMs: number): void {
    for (let oldest = this.#list.oldest; oldest >= 0 && this.#deadline[oldest]! <= nowMs; oldest = this.#list.oldest) {
      const network = this.#list.networkOf(oldest);
      const length = this.#drawFirst(oldest);
      this.#drop(oldest, FragmentEvent.timeout, 0);
      if (length !== 0) this.#timedOut?.(network, this.#late, length);
    }
  }

  /** Puts the first fragment in `#late` as it came. Answers its length, 0 when it did not come. */
  #drawFirst(place: number): number {
    const headers = this.#headers[place]!;
    if (headers < 0) return 0;
    const pieces = this.#pieces;
    const first = this.#first[place]!;
    const payload = IP + pieces.end[headers]!;
    const length = payload + pieces.end[first]!;
    pieces.draw(headers, IP);
    pieces.draw(first, payload);
    pieces.copyDraft(this.#late.bytes, length);
    clearVirtioHeader(this.#late.bytes);
    return length;
  }

  /** Whether a fragment makes sense by itself. */
  #isFine(frame: Frame, packet: Parsed): boolean {
    const length = packet.l4Length;
    if (length === 0 || (packet.moreFragments && (length & 7) !== 0)) return false;
    if (packet.headersLength - fragmentHeaderLength(packet.family) + packet.fragmentOffset + length > largest(packet.family)) return false;
    return packet.fragmentOffset !== 0 || this.#hasWholeL4Header(frame, packet);
  }

  #hasWholeL4Header(frame: Frame, packet: Parsed): boolean {
    const end = packet.l4 + packet.l4Length;
    let l4 = packet.l4;
    let protocol = packet.protocol;
    if (packet.family === 6) {
      const chain = this.#chain;
      // A Fragment header within a fragment would let datagrams nest without end.
      if (!ipv6.walkChain(frame, l4, packet.fragmentHeader, end, chain) || chain.fragment !== 0) return false;
      l4 = chain.end;
      protocol = chain.protocol;
    }
    const length = end - l4;
    if (protocol === ipv4.TCP) return length >= tcp.HEADER && length >= (frame.bytes[l4 + tcp.DATA_OFFSET]! >>> 4) << 2;
    if (protocol === ipv4.UDP) return length >= udp.HEADER;
    return (protocol !== ipv4.ICMP && protocol !== ipv6.ICMPV6) || length >= icmp.HEADER;
  }

  /** The last piece that starts before the fragment does; NONE when it is the first. */
  #pieceBefore(place: number, packet: Parsed): number {
    const { start, next } = this.#pieces;
    // In order, as fragments mostly are.
    const last = this.#last[place]!;
    if (start[last]! < packet.fragmentOffset) return last;
    let before = NONE;
    for (let piece = this.#first[place]!; piece >= 0 && start[piece]! < packet.fragmentOffset; piece = next[piece]!) before = piece;
    return before;
  }

  /** 0, or the event that a fragment is which cannot be added. */
  #contradiction(place: number, before: number, frame: Frame, packet: Parsed): number {
    const { start, end, next } = this.#pieces;
    const from = packet.fragmentOffset;
    const to = from + packet.l4Length;
    const total = this.#total[place]!;
    if (packet.moreFragments ? total >= 0 && to >= total : to !== total && (total >= 0 || end[this.#last[place]!]! >= to)) return FragmentEvent.overlap;
    if (before >= 0 && end[before]! > from) return FragmentEvent.overlap;
    const after = before < 0 ? this.#first[place]! : next[before]!;
    if (after < 0 || start[after]! >= to) return 0;
    const isSame = start[after] === from && end[after] === to && this.#pieces.equals(after, frame.bytes, packet.l4);
    return isSame ? FragmentEvent.duplicate : FragmentEvent.overlap;
  }

  /** Lets the oldest datagrams go until there is room for one more fragment; false when its own would have to. */
  #makeRoom(place: number, packet: Parsed): boolean {
    const headers = packet.fragmentOffset === 0 ? PieceStore.chunksFor(IP, packet.headersLength) : 0;
    const chunks = PieceStore.chunksFor(packet.l4, packet.l4Length) + headers;
    while (this.#pieces.available < chunks || (place < 0 && this.#list.size === this.#maxDatagrams)) {
      const oldest = this.#list.oldest;
      if (oldest === place) return false;
      this.#drop(oldest, FragmentEvent.memory, 0);
    }
    return true;
  }

  #begin(nowMs: number): number {
    const place = this.#list.add();
    this.#deadline[place] = nowMs + this.#timeoutMs;
    this.#headers[place] = NONE;
    this.#first[place] = NONE;
    this.#last[place] = NONE;
    this.#received[place] = 0;
    this.#total[place] = NONE;
    this.#fragments[place] = 0;
    this.#ecn[place] = 0;
    return place;
  }

  #hold(place: number, before: number, frame: Frame, packet: Parsed): void {
    const pieces = this.#pieces;
    const { bytes } = frame;
    const piece = pieces.store(bytes, packet.l4, packet.l4Length, packet.fragmentOffset);
    pieces.next[piece] = before < 0 ? this.#first[place]! : pieces.next[before]!;
    if (before < 0) this.#first[place] = piece;
    else pieces.next[before] = piece;
    if (pieces.next[piece] < 0) this.#last[place] = piece;
    if (packet.fragmentOffset === 0) {
      this.#headers[place] = pieces.store(bytes, IP, packet.headersLength, 0);
      this.#field[place] = packet.fragmentField;
    }
    this.#received[place]! += packet.l4Length;
    if (!packet.moreFragments) this.#total[place] = packet.fragmentOffset + packet.l4Length;
    this.#fragments[place]! += 1;
    this.#ecn[place]! |= 1 << ecnOf(frame, packet.family);
  }

  /** Puts the whole datagram together in `frame`. Answers its length, or 0 when it cannot be. */
  #finish(place: number, frame: Frame, family: number): number {
    const pieces = this.#pieces;
    const { bytes } = frame;
    const headers = this.#headers[place]!;
    const headersLength = pieces.end[headers]! - fragmentHeaderLength(family);
    const total = headersLength + this.#total[place]!;
    const ecn = this.#ecn[place]!;
    const isCongested = (ecn & (1 << ECN_CE)) !== 0;
    if (total > largest(family) || (isCongested && (ecn & 1) !== 0)) return this.#drop(place, FragmentEvent.malformed, 0);

    const payload = IP + headersLength;
    pieces.draw(headers, IP);
    pieces.copyDraft(bytes, payload + fragmentHeaderLength(family));
    const nextHeader = bytes[payload]!;
    for (let piece = this.#first[place]!; piece >= 0; piece = pieces.next[piece]!) pieces.draw(piece, payload + pieces.start[piece]!);
    pieces.copyDraft(bytes, IP + total);
    if (family === 6) bytes[this.#field[place]!] = nextHeader;
    if (isCongested) bytes[IP + 1]! |= family === 4 ? ECN_CE : ECN_CE << 4;
    this.#drop(place, FragmentEvent.reassembled, 0);
    if (family === 4) this.#completeIpv4(frame, headersLength, total);
    else frame.view.setUint16(IP + ipv6.PAYLOAD_LENGTH, total - ipv6.HEADER);
    clearVirtioHeader(bytes);
    return IP + total;
  }

  #completeIpv4({ bytes, view }: Frame, headerLength: number, total: number): void {
    this.#identification = (this.#identification + 1) & 0xffff;
    view.setUint16(IP + ipv4.TOTAL_LENGTH, total);
    view.setUint16(IP + ipv4.IDENTIFICATION, this.#identification);
    view.setUint16(IP + ipv4.FRAGMENT, 0);
    view.setUint16(IP + ipv4.HEADER_CHECKSUM, 0);
    view.setUint16(IP + ipv4.HEADER_CHECKSUM, ~sumOf(bytes, IP, IP + headerLength, 0) & 0xffff);
  }

  /** Lets a datagram (NONE: nothing was held) go, and counts its fragments and `more` that are not held as `event`. Answers 0. */
  #drop(place: number, event: number, more: number): 0 {
    let fragments = more;
    if (place >= 0) {
      const pieces = this.#pieces;
      fragments += this.#fragments[place]!;
      for (let piece = this.#first[place]!; piece >= 0; ) {
        const next = pieces.next[piece]!;
        pieces.free(piece);
        piece = next;
      }
      if (this.#headers[place]! >= 0) pieces.free(this.#headers[place]!);
      this.#list.remove(place);
    }
    this.#count(event, fragments);
    return 0;
  }
}

/** Bytes of headers that the whole datagram does not have. */
function fragmentHeaderLength(family: number): number {
  return family === 4 ? 0 : ipv6.FRAGMENT_HEADER;
}

/** Bytes of the largest packet, headers included. */
function largest(family: number): number {
  return family === 4 ? LARGEST_IPV4 : LARGEST_PACKET;
}

function ecnOf({ bytes }: Frame, family: number): number {
  return (family === 4 ? bytes[IP + ipv4.TOS]! : bytes[IP + 1]! >>> 4) & ECN_MASK;
}

/** Takes the Fragment header out of a datagram that is whole already. */
function makeWhole(frame: Frame, packet: Parsed): number {
  const { bytes, view } = frame;
  const length = packet.totalLength - ipv6.FRAGMENT_HEADER;
  bytes[packet.fragmentField] = bytes[packet.fragmentHeader]!;
  bytes.copyWithin(packet.fragmentHeader, packet.l4, packet.l4 + packet.l4Length);
  view.setUint16(IP + ipv6.PAYLOAD_LENGTH, length - ipv6.HEADER);
  clearVirtioHeader(bytes);
  return IP + length;
}
