/**
 * When flows end for want of packets, and which gives way when the table is full. A policy beside the table: it names
 * slots, and whoever asked ends them.
 *
 * A packet only writes the flow's time. The wheel is set for the deadline as it was when the flow last was armed; when that
 * second comes the real deadline is worked out and, if it is later, the flow is armed again. Only a state with a shorter
 * timeout, or of another rank, re-arms at once. So a busy flow costs one visit per timeout, not one per packet.
 */
import type { Timeouts } from '../config/snapshot.js';
import { KIND, LAST_SEEN, State, STATE_MASK, STATES } from './slot.js';
import type { FlowTable } from './table.js';
import { TimingWheel } from './wheel.js';

/** Slots looked at for one flow to give way. */
const VICTIM_VISITS = 256;

/** Which timeouts a flow has: its service's. */
export interface TimeoutSource {
  /** Of the flow in a slot: deciseconds by state, as `timeoutsByState` gives them. Called often; allocates nothing. */
  of(slot: number): Int32Array;
}

/** Deciseconds by state. */
export function timeoutsByState(timeouts: Timeouts): Int32Array {
  const of = new Int32Array(STATES);
  of[State.synSent] = of[State.synReceived] = timeouts.transitory * 10;
  of[State.established] = of[State.halfClosedByClient] = of[State.halfClosedByEndpoint] = timeouts.established * 10;
  of[State.closingClientLast] = of[State.closingEndpointLast] = timeouts.transitory * 10;
  of[State.closed] = timeouts.closed * 10;
  of[State.udp] = timeouts.udp * 10;
  of[State.icmp] = timeouts.icmp * 10;
  return of;
}

/** By state: who gives way before whom, the lowest first. A lane of the wheel for each. */
const RANKS = new Int32Array(STATES);
RANKS[State.closed] = 0;
RANKS[State.synSent] = RANKS[State.synReceived] = 1;
RANKS[State.closingClientLast] = RANKS[State.closingEndpointLast] = 2;
RANKS[State.udp] = RANKS[State.icmp] = 3;
RANKS[State.established] = RANKS[State.halfClosedByClient] = RANKS[State.halfClosedByEndpoint] = 4;
const RANK_COUNT = 5;
export const DATAGRAM_RANK = 3;
export const ESTABLISHED_RANK = 4;

/** 0 to 4: which flows give way before which, the lowest first. */
export function rankOf(state: number): number {
  return RANKS[state]!;
}

export class Expiry {
  readonly #table: FlowTable;
  readonly #timeouts: TimeoutSource;
  readonly #wheel: TimingWheel;

  constructor(table: FlowTable, timeouts: TimeoutSource) {
    this.#table = table;
    this.#timeouts = timeouts;
    this.#wheel = new TimingWheel(table.capacity, RANK_COUNT);
  }

  /** A flow has begun, or its service's timeouts have changed. */
  track(slot: number): void {
    const state = this.#table.words[(slot << 4) + KIND]! & STATE_MASK;
    this.#wheel.arm(slot, RANKS[state]!, this.#deadline(slot));
  }

  /** A flow ends, for whatever reason. */
  forget(slot: number): void {
    this.#wheel.disarm(slot);
  }

  /** A flow went from one state to another, with LAST_SEEN and KIND already written. */
  changed(slot: number, before: number, after: number): void {
    if (RANKS[before] === RANKS[after]) {
      const timeouts = this.#timeouts.of(slot);
      if (timeouts[after]! >= timeouts[before]!) return;
    }
    this.#wheel.arm(slot, RANKS[after]!, this.#deadline(slot));
  }

  /**
   * One step of work. Answers a slot whose deadline has passed (no longer armed: end it), -1 when a flow was looked at and
   * lives on, 0 when nothing is due. `now` in deciseconds.
   */
  due(now: number): number {
    const slot = this.#wheel.due((now / 10) | 0);
    if (slot === 0) return 0;
    if (this.#deadline(slot) * 10 <= now) return slot;
    this.track(slot);
    return -1;
  }

  /**
   * The flow that gives way to a new one: of the lowest rank that there is, the next to fall due. 0 when no flow is tracked.
   * Flows met on the way that had packets since they were armed move to their real deadline, so the next search does not
   * meet them; after 256 of those the best of them is taken.
   */
  victim(): number {
    const wheel = this.#wheel;
    let visits = 0;
    for (let rank = 0; rank < RANK_COUNT; rank++) {
      let best = 0;
      let bestDeadline = 0;
      for (let second = wheel.earliest(rank); second !== -1; second = wheel.earliest(rank)) {
        // What was moved is not met again: once the wheel's first is the best so far, it is the best of all.
        if (best !== 0 && second >= bestDeadline) return best;
        const slot = wheel.first(rank, second);
        const deadline = this.#deadline(slot);
        if (deadline <= second) return slot;
        if (best === 0 || deadline < bestDeadline) {
          best = slot;
          bestDeadline = deadline;
        }
        if (++visits >= VICTIM_VISITS) return best;
        wheel.arm(slot, rank, deadline);
      }
      if (best !== 0) return best;
    }
    return 0;
  }

  /** Seconds, rounded up. */
  #deadline(slot: number): number {
    const words = this.#table.words;
    const word = slot << 4;
    return ((words[word + LAST_SEEN]! + this.#timeouts.of(slot)[words[word + KIND]! & STATE_MASK]! + 9) / 10) | 0;
  }
}
