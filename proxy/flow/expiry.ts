/**
 * When flows end for want of packets, and which gives way when the table is full. A policy beside the table: it names
 * slots, and whoever asked ends them.
 *
 * A packet only writes the flow's time. The wheel is set for the deadline as it was when the flow last was armed; when that
 * second comes the real deadline is worked out and, if it is later, the flow is armed again. Only a state with a shorter
 * timeout re-arms at once. So a busy flow costs one visit per timeout, not one per packet.
 */
import { DEFAULT_TIMEOUTS, type Timeouts } from '../config/snapshot.js';
import { KIND, LAST_SEEN, State, STATE_MASK, STATES } from './slot.js';
import type { FlowTable } from './table.js';
import { SPAN, TimingWheel } from './wheel.js';

/** Slots looked at for one flow to give way. */
const VICTIM_VISITS = 256;

export class Expiry {
  readonly #table: FlowTable;
  readonly #wheel: TimingWheel;
  /** Deciseconds by state. */
  readonly #timeouts = new Int32Array(STATES);

  constructor(table: FlowTable, timeouts: Timeouts = DEFAULT_TIMEOUTS) {
    this.#table = table;
    this.#wheel = new TimingWheel(table.capacity);
    const of = this.#timeouts;
    of[State.synSent] = of[State.synReceived] = timeouts.transitory * 10;
    of[State.established] = of[State.halfClosedByClient] = of[State.halfClosedByEndpoint] = timeouts.established * 10;
    of[State.closingClientLast] = of[State.closingEndpointLast] = timeouts.transitory * 10;
    of[State.closed] = timeouts.closed * 10;
    of[State.udp] = timeouts.udp * 10;
  }

  /** A flow has begun. */
  track(slot: number): void {
    this.#wheel.arm(slot, this.#deadline(slot));
  }

  /** A flow ends, for whatever reason. */
  forget(slot: number): void {
    this.#wheel.disarm(slot);
  }

  /** A flow went from one state to another, with LAST_SEEN and KIND already written. */
  changed(slot: number, before: number, after: number): void {
    if (this.#timeouts[after]! < this.#timeouts[before]!) this.#wheel.arm(slot, this.#deadline(slot));
  }

  /**
   * One step of work. Answers a slot whose deadline has passed (no longer armed: end it), -1 when a flow was looked at and
   * lives on, 0 when nothing is due. `now` in deciseconds.
   */
  due(now: number): number {
    const slot = this.#wheel.due((now / 10) | 0);
    if (slot === 0) return 0;
    const deadline = this.#deadline(slot);
    if (deadline * 10 <= now) return slot;
    this.#wheel.arm(slot, deadline);
    return -1;
  }

  /**
   * The flow that gives way to a new one: the next to fall due that is not established, which puts closed flows first,
   * then those that never opened and those idle for longest. 0 when there is none within the bounded search. Established
   * flows met on the way move to their real deadline, so the next search does not meet them.
   */
  victim(): number {
    const wheel = this.#wheel;
    const words = this.#table.words;
    let visits = 0;
    let best = 0;
    let bestDeadline = 0;
    const end = wheel.cursor + SPAN;
    for (let second = wheel.cursor; second < end; second++) {
      let slot = wheel.first(second);
      while (slot !== 0) {
        const next = wheel.after(slot);
        const deadline = this.#deadline(slot);
        const state = words[(slot << 4) + KIND]! & STATE_MASK;
        const givesWay = state !== State.established && state !== State.halfClosedByClient && state !== State.halfClosedByEndpoint;
        if (givesWay && deadline <= second) return slot;
        if (givesWay && (best === 0 || deadline < bestDeadline)) {
          best = slot;
          bestDeadline = deadline;
        }
        if (deadline > second) wheel.arm(slot, deadline);
        if (++visits === VICTIM_VISITS) return best;
        slot = next;
      }
    }
    return best;
  }

  /** Seconds, rounded up. */
  #deadline(slot: number): number {
    const words = this.#table.words;
    const word = slot << 4;
    return ((words[word + LAST_SEEN]! + this.#timeouts[words[word + KIND]! & STATE_MASK]! + 9) / 10) | 0;
  }
}
