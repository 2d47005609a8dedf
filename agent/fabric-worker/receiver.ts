/**
 * From the underlay to TUNs: datagrams are received many at a time, as the trains that they were sent in where the kernel still has them so
 * (UDP_GRO), admitted, merged (proxy/vxlan) and written.
 */
import { MSG_DONTWAIT } from '../../kernel/ffi/constants.js';
import { recvmmsg, writev } from '../../kernel/ffi/libc.js';
import { IncomingMessages, positionOf, Vector } from '../../kernel/ffi/vectors.js';
import { type Admission, Verdict } from '../../proxy/vxlan/admission.js';
import { Count, type Counters } from '../../proxy/vxlan/counters.js';
import { OVERHEAD } from '../../proxy/vxlan/header.js';
import { Memory } from '../../proxy/vxlan/memory.js';
import { Merger } from '../../proxy/vxlan/merge.js';
import type { Network } from '../../proxy/vxlan/network.js';
import { FRAME_SIZE } from '../../proxy/wire/frame.js';

/** Messages of one call. More would not stay in a processor's cache. */
const MESSAGES = 8;
/** A kernel's device on this machine sends super-packets uncut. */
const ROOM = Math.ceil((FRAME_SIZE + OVERHEAD) / 64) * 64;
/** Calls of one turn: then it is the TUNs'. */
const CALLS_PER_TURN = 4;

export class Receiver {
  readonly #counters: Counters;
  readonly #memory = new Memory(MESSAGES * ROOM);
  readonly #messages = new IncomingMessages(MESSAGES, this.#memory.bytes, ROOM);
  readonly #merger = new Merger(this.#memory, (network, merger) => this.#deliver(network, merger));
  readonly #pieces = new Vector(1 + this.#merger.pieces.length / 2);
  readonly #memoryAt = positionOf(this.#memory.bytes);
  readonly #headAt = positionOf(this.#merger.head);
  readonly #admission: Admission;
  /** TUNs by VNI. */
  readonly #devices: ReadonlyMap<number, number>;

  constructor(counters: Counters, admission: Admission, devices: ReadonlyMap<number, number>) {
    this.#counters = counters;
    this.#admission = admission;
    this.#devices = devices;
  }

  /** What has come to the socket. */
  receive(socket: number): void {
    for (let call = 0; call < CALLS_PER_TURN; call++) {
      const count = recvmmsg(socket, this.#messages.bytes, MESSAGES, MSG_DONTWAIT);
      // Nothing, or an error that an earlier datagram of ours has come to.
      if (count <= 0) return;
      for (let i = 0; i < count; i++) this.#message(i);
      this.#merger.flush();
      this.#messages.reset(count);
      if (count < MESSAGES) return;
    }
  }

  #message(index: number): void {
    const { values } = this.#counters;
    const admission = this.#admission;
    const start = index * ROOM;
    const end = start + this.#messages.length(index);
    const source = this.#messages.source(index);
    const segment = this.#messages.segment(index) || ROOM;
    values[Count.receivedBytes]! += end - start;
    for (let at = start; at < end; at += segment) {
      values[Count.receivedDatagrams]! += 1;
      const verdict = admission.judge(this.#memory, at, Math.min(at + segment, end), source);
      if (verdict === Verdict.admitted) this.#merger.add(admission.network!, admission.packet);
      else values[verdict]! += 1;
    }
  }

  #deliver(network: Network, { headLength, pieces, pieceCount }: Merger): void {
    const vector = this.#pieces;
    vector.set(0, this.#headAt, headLength);
    for (let i = 0; i < pieceCount; i++) vector.set(1 + i, this.#memoryAt + pieces[2 * i]!, pieces[2 * i + 1]!);
    const written = writev(this.#devices.get(network.vni) ?? -1, vector.bytes, 1 + pieceCount);
    this.#counters.values[written < 0 ? Count.deliverFailed : Count.delivered]! += 1;
  }
}
