/**
 * Fragments as the pipeline has them: counted, put together (fragment/), and the sender told when a datagram was not whole in
 * time (RFC 1122 3.3.2, RFC 8200 4.5). Only a sender whose first fragment came: no other can be quoted so that it knows
 * what is meant. That we are the destination and may answer is looked at here and in answers.ts.
 */
import { Reassembler } from '../fragment/reassembler.js';
import type { AddressBook } from '../flow/address-book.js';
import { findAddresses } from '../flow/handles.js';
import { IP, type Frame } from '../wire/frame.js';
import { parse, type Parsed } from '../wire/parsed.js';
import type { Answers } from './answers.js';
import { Counter, type Counters } from './counters.js';
import type { Targets } from './targets.js';
import type { Emit } from './worker.js';

export interface ReassemblyParts {
  readonly book: AddressBook;
  readonly counters: Counters;
  readonly emit: Emit;
  /** Of the IPv4 datagrams that are put together, 0 to 65535. */
  readonly identification: number;
}

export class Reassembly {
  readonly #book: AddressBook;
  readonly #emit: Emit;
  readonly #reassembler: Reassembler;
  #now = 0;

  /** @param packet the pipeline's, which `answers` answers; between two packets it is ours */
  constructor(
    parts: ReassemblyParts,
    private readonly packet: Parsed,
    private readonly targets: Targets,
    private readonly answers: Answers,
  ) {
    const counts = parts.counters.values;
    this.#book = parts.book;
    this.#emit = parts.emit;
    this.#reassembler = new Reassembler({
      count: (event, fragments) => {
        counts[Counter.fragmentsReceived + event]! += fragments;
      },
      timedOut: (network, frame, length) => this.#timedOut(network, frame, length),
      identification: parts.identification,
    });
  }

  /** See Reassembler.add. */
  add(frame: Frame, network: number, nowMs: number): number {
    return this.#reassembler.add(frame, this.packet, network, nowMs);
  }

  /** Lets datagrams go whose time is over. Between two packets. */
  expire(nowMs: number): void {
    this.#now = (nowMs / 100) | 0;
    this.#reassembler.expire(nowMs);
  }

  #timedOut(network: number, frame: Frame, length: number): void {
    const { packet, answers } = this;
    const target = this.targets.networks[network];
    if (target === undefined) return;
    // It was parsed when it came, so this is a fragment again.
    parse(frame, length, packet);
    const v6 = packet.family === 6;
    if (v6) findAddresses(this.#book, frame, IP, packet);
    // Without a handle it is nobody's, though a network without IPv6 has no other for its balancer address.
    if (v6 && packet.destination === 0) return;
    if (!target.owns(v6, packet.destination) || target.owns(v6, packet.source)) return;
    const error = answers.reassemblyTimeExceeded(frame, this.#now);
    if (error !== 0) this.#emit(network, frame, error);
  }
}
