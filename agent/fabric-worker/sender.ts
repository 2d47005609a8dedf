/**
 * From a TUN to the underlay: a frame is read, cut (proxy/vxlan), and sent with a system call for each 64 KiB or so of datagrams, which the kernel
 * takes apart again (UDP_SEGMENT) where no device does it.
 */
import { MSG_DONTWAIT, POLLOUT } from '../../kernel/ffi/constants.js';
import { poll, read, sendMessage } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import { OutgoingMessage, positionOf, Vector } from '../../kernel/ffi/vectors.js';
import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE } from '../../proxy/device/device.js';
import { Count, type Counters } from '../../proxy/vxlan/counters.js';
import { Cutter } from '../../proxy/vxlan/cut.js';
import { Memory } from '../../proxy/vxlan/memory.js';
import type { Network, Peer } from '../../proxy/vxlan/network.js';
import { FRAME_SIZE, IP } from '../../proxy/wire/frame.js';
import * as ipv4 from '../../proxy/wire/ipv4.js';
import * as ipv6 from '../../proxy/wire/ipv6.js';

/** Datagrams that one call may have cut (UDP_MAX_SEGMENTS, include/linux/udp.h, before Linux 6.9), and their bytes: an IPv4 packet less its headers. */
const MOST_SEGMENTS = 64;
const MOST_BYTES = 65_507;
/** How long a full socket is waited for: as long as a queue of 1,000 packets takes at 1 Gbit/s. Then packets are lost, as in any router. */
const FULL_MS = 12;

export class Sender {
  readonly #counters: Counters;
  readonly #memory = new Memory(FRAME_SIZE);
  readonly #cutter = new Cutter();
  readonly #pieces = new Vector(2 * MOST_SEGMENTS);
  readonly #message = new OutgoingMessage(this.#pieces);
  readonly #frameAt = positionOf(this.#memory.bytes);
  readonly #headersAt = positionOf(this.#cutter.headers);
  readonly #full = new PollSet(1);
  #socket = -1;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** -1: what is read goes nowhere. */
  use(socket: number): void {
    this.#socket = socket;
    this.#full.set(0, socket, POLLOUT);
  }

  /** Takes one frame from a network's TUN. What was read: bytes, 0 for nothing, or -errno. */
  take(fd: number, network: Network): number {
    const memory = this.#memory;
    const length = read(fd, memory.bytes, FRAME_SIZE);
    if (length <= 0) return length === -EAGAIN || length === -EINTR ? 0 : length;
    const isV6 = memory.bytes[IP]! >>> 4 === 6;
    const peer = length < IP + (isV6 ? ipv6.HEADER : ipv4.HEADER) ? undefined : network.ownerOf(memory.view, IP + (isV6 ? ipv6.DESTINATION : ipv4.DESTINATION), isV6);
    if (peer === undefined || this.#socket < 0 || !this.#cutter.cut(memory, length, peer.header)) this.#counters.values[Count.notSent]! += 1;
    else this.#send(peer);
    return length;
  }

  #send(peer: Peer): void {
    const { count, headerLength, size } = this.#cutter;
    this.#message.to(peer.underlay, peer.port);
    const most = Math.max(1, Math.min(MOST_SEGMENTS, Math.floor(MOST_BYTES / (headerLength + size))));
    // Of equal size: two halves rather than all and one.
    const calls = Math.ceil(count / most);
    const each = Math.ceil(count / calls);
    for (let first = 0; first < count; first += each) this.#sendSome(first, Math.min(each, count - first));
  }

  #sendSome(first: number, count: number): void {
    const { headerLength, size, payload, end } = this.#cutter;
    const pieces = this.#pieces;
    for (let i = 0; i < count; i++) {
      const from = payload + (first + i) * size;
      pieces.set(2 * i, this.#headersAt + (first + i) * headerLength, headerLength);
      pieces.set(2 * i + 1, this.#frameAt + from, Math.min(size, end - from));
    }
    this.#message.fill(0, 2 * count, count === 1 ? 0 : headerLength + size);
    const sent = this.#transmit();
    if (sent >= 0) this.#sent(count, sent);
    // A device that cannot sum, or a way that takes less than ours: then the kernel makes fragments of each, as of any VXLAN's.
    else if (count > 1 && (sent === -EINVAL || sent === -EIO || sent === -EMSGSIZE)) this.#sendSingly(count);
    else this.#counters.values[Count.sendFailed]! += count;
  }

  #sendSingly(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#message.fill(2 * i, 2, 0);
      const sent = this.#transmit();
      if (sent >= 0) this.#sent(1, sent);
      else this.#counters.values[Count.sendFailed]! += 1;
    }
  }

  #sent(datagrams: number, bytes: number): void {
    const { values } = this.#counters;
    values[Count.sentDatagrams]! += datagrams;
    values[Count.sentBytes]! += bytes;
  }

  #transmit(): number {
    for (;;) {
      const sent = sendMessage(this.#socket, this.#message.bytes, MSG_DONTWAIT);
      if (sent === -EINTR) continue;
      // What a TUN holds waits meanwhile, and its sender is told by that.
      if (sent !== -EAGAIN || poll(this.#full.bytes, 1, FULL_MS) <= 0) return sent;
    }
  }
}
