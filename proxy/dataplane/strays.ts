/**
 * Packets that belong to no flow and begin none. They are refused (RST, port unreachable), with one exception: where the kernel
 * balances a service too (offload), a TCP segment may be of a flow of the kernel's that comes here because somebody has just flushed
 * its rules. A RST would end it, so it gets none for HOLD ms: its sender repeats it, and meets the rules, which are back by then.
 * A flow that is still unknown after that is one that nobody has.
 *
 * Which segments were held, and since when, is remembered in a table of fixed size; one that has no room there is held anew.
 */
import type { Hash } from '../flow/hash.js';
import { TCP, UDP } from '../wire/ipv4.js';
import type { Frame } from '../wire/frame.js';
import type { Parsed } from '../wire/parsed.js';
import { RST } from '../wire/tcp.js';
import type { Answers } from './answers.js';
import { Counter } from './counters.js';
import type { EndedFlow } from './handle.js';
import type { NetworkTarget, ServiceTarget } from './targets.js';

/** Deciseconds. What was flushed is to be back within 3 s; a busy machine may need longer. */
export const HOLD = 100;
/** Deciseconds of silence after which a segment is the first again. Longer than a sender waits between two repetitions in HOLD. */
export const FORGET = 150;

const SOURCE = 0;
const DESTINATION = 1;
const PORTS = 2;
/** 0 for none, else one more than its index. */
const NETWORK = 3;
const REFUSED_FROM = 4;
const SEEN = 5;
const WORDS = 6;
/** An entry may be in each place of its bucket. */
const WAYS = 4;
const BUCKETS = 1 << 11;

export class Strays {
  readonly #packet: Parsed;
  readonly #hash: Hash;
  readonly #answers: Answers;
  readonly #words = new Int32Array(BUCKETS * WAYS * WORDS);

  /** @param packet the pipeline's */
  constructor(packet: Parsed, hash: Hash, answers: Answers) {
    this.#packet = packet;
    this.#hash = hash;
    this.#answers = answers;
  }

  /** A TCP segment to a VIP. `now` in deciseconds, here and below. */
  fromClient(frame: Frame, { config: { index } }: NetworkTarget, { config }: ServiceTarget, now: number): number {
    return this.#segment(frame, index, config.offloaded === true, now);
  }

  /** To the balancer address. */
  fromEndpoint(frame: Frame, target: NetworkTarget, now: number): number {
    const { protocol, source } = this.#packet;
    if (protocol === TCP) return this.#segment(frame, target.config.index, target.isOffloaded(source), now);
    return protocol === UDP ? this.#answers.unreachable(frame, Counter.refusedNoFlow, now) : this.#answers.drop(Counter.droppedIcmpUnmatched);
  }

  /** A client's connection that the kernel had, and has no more: it is not held. */
  refuse(network: number, { client, clientPort, vip, vipPort }: EndedFlow, now: number): void {
    const at = this.#find(network, client, vip, (clientPort << 16) | vipPort, now);
    this.#words[at + SEEN] = now;
    this.#words[at + REFUSED_FROM] = now;
  }

  #segment(frame: Frame, network: number, offloaded: boolean, now: number): number {
    const { family, flags, source, destination, sourcePort, destinationPort } = this.#packet;
    // The kernel balances IPv4 only. A RST gets no answer anyway.
    if (!offloaded || family === 6 || (flags & RST) !== 0) return this.#answers.reset(frame, Counter.refusedNoFlow);
    const at = this.#find(network, source, destination, (sourcePort << 16) | destinationPort, now);
    this.#words[at + SEEN] = now;
    return now < this.#words[at + REFUSED_FROM]! ? this.#answers.drop(Counter.droppedKernelFlow) : this.#answers.reset(frame, Counter.refusedNoFlow);
  }

  /** The entry of a segment, which is made if there is none: in the place that was seen least lately. */
  #find(network: number, source: number, destination: number, ports: number, now: number): number {
    const words = this.#words;
    const first = (this.#hash.of(source, destination, ports, network) & (BUCKETS - 1)) * (WAYS * WORDS);
    let place = first;
    for (let way = 0; way < WAYS; way++) {
      const at = first + way * WORDS;
      const is = words[at + SOURCE] === source && words[at + DESTINATION] === destination && words[at + PORTS] === ports && words[at + NETWORK] === network + 1;
      if (is && now - words[at + SEEN]! < FORGET) return at;
      if (is || words[at + SEEN]! < words[place + SEEN]!) place = at;
      if (is) break;
    }
    words[place + SOURCE] = source;
    words[place + DESTINATION] = destination;
    words[place + PORTS] = ports;
    words[place + NETWORK] = network + 1;
    words[place + REFUSED_FROM] = now + HOLD;
    return place;
  }
}
