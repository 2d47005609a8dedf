/**
 * What a sender gets that gets nothing else: a RST, an ICMP error, an echo reply, or, where an answer is forbidden, a drop.
 * Each ends the packet in one counter and answers the length of the frame to write back, 0 for none.
 */
import { beginsError } from '../rewrite/icmp-error.js';
import { replyEcho, replyHostUnreachable, replyPortUnreachable, replyReassemblyTimeExceeded, replyReset } from '../rewrite/reply.js';
import { checksumsRight, headerRight } from '../rewrite/verify.js';
import type { Frame } from '../wire/frame.js';
import { IP } from '../wire/frame.js';
import { canAnswer, UDP } from '../wire/ipv4.js';
import { canAnswer6 } from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';
import { RST } from '../wire/tcp.js';
import { Counter, type Counters } from './counters.js';

/** ICMP errors sent in 100 ms. */
const ICMP_ERRORS = 100;

export class Answers {
  readonly #packet: Parsed;
  readonly #counts: Float64Array;
  #errorsAt = 0;
  #errors = 0;

  /** @param packet the pipeline's: what is parsed there is answered here */
  constructor(packet: Parsed, counters: Counters) {
    this.#packet = packet;
    this.#counts = counters.values;
  }

  /** RST to the sender, counted as `cause`; or why it gets none. */
  reset(frame: Frame, cause: number): number {
    const packet = this.#packet;
    if ((packet.flags & RST) !== 0) return this.drop(Counter.droppedStrayReset);
    if (!this.canAnswer(frame)) return this.drop(Counter.droppedMartianSource);
    if (!checksumsRight(frame, packet)) return this.drop(Counter.droppedBadChecksum);
    this.#counts[cause]! += 1;
    return replyReset(frame, packet);
  }

  /** ICMP port unreachable (host or address unreachable for an echo request), counted as `cause`; or why it gets none. */
  unreachable(frame: Frame, cause: number, now: number): number {
    const packet = this.#packet;
    if (!this.canAnswer(frame)) return this.drop(Counter.droppedMartianSource);
    if (!checksumsRight(frame, packet)) return this.drop(Counter.droppedBadChecksum);
    if (!this.#takeTurn(now)) return this.drop(Counter.droppedIcmpLimited);
    this.#counts[cause]! += 1;
    return packet.protocol === UDP ? replyPortUnreachable(frame, packet) : replyHostUnreachable(frame, packet);
  }

  /**
   * ICMP time exceeded to the sender of a first fragment, which is what is parsed. Answers 0 where it is forbidden, and counts
   * nothing then: the fragment ended in its counter when it came.
   */
  reassemblyTimeExceeded(frame: Frame, now: number): number {
    const packet = this.#packet;
    if (!this.canAnswer(frame) || !headerRight(frame, packet) || beginsError(frame, packet) || !this.#takeTurn(now)) return 0;
    this.#counts[Counter.emittedTimeExceeded]! += 1;
    return replyReassemblyTimeExceeded(frame, packet);
  }

  echo(frame: Frame): number {
    this.#counts[Counter.repliedEcho]! += 1;
    return replyEcho(frame, this.#packet);
  }

  /** Whether anything may be sent to the packet's source (RFC 1122 3.2.1.3, RFC 4291 2.7, RFC 4443 2.4). */
  canAnswer(frame: Frame): boolean {
    return this.#packet.family === 6 ? canAnswer6(frame, IP) : canAnswer(this.#packet.source);
  }

  /** Whether one more ICMP error may be sent now. */
  #takeTurn(now: number): boolean {
    if (now !== this.#errorsAt) {
      this.#errorsAt = now;
      this.#errors = 0;
    }
    if (this.#errors === ICMP_ERRORS) return false;
    this.#errors += 1;
    return true;
  }

  drop(cause: number): 0 {
    this.#counts[cause]! += 1;
    return 0;
  }
}
