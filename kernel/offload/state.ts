/**
 * When a service is handed to the kernel, and when it is taken back: pure, one step at a time. What is installed for each
 * state is `phaseOf`; who carries it out, and looks whether it is there, is agent/offload.
 *
 *               endpoints unchanged for the hold-down,
 *               and (auto) enough new flows              verified for ARMING_MS
 *   userspace ─────────────────────────────► arming ──────────────────────────► offloaded
 *      ▲  ▲                                    │                                   │
 *      │  └──────── endpoints changed ─────────┘      not wanted, not possible,    │
 *      │                                              or endpoints that flap       │
 *      └────────────── no flow is left in the kernel ───────────── draining ◄──────┘
 *
 * Two failures in a row of what is installed lead from every state to `userspace`, with a growing time until the next try.
 *
 * Flapping is damped as routes are (RFC 2439): a change of the endpoints adds 1 to a penalty that halves every HALF_LIFE_MS, but none
 * within FLAP_MS of the one before that did, or of the beginning: tasks that come up one after another, and a rolling update, are one
 * change. Each whole point above FREE_FLAPS doubles the hold-down; above SUPPRESS an offloaded service drains, until the penalty is
 * below that. With a new mode, which only a user gives, it begins anew.
 */
export type OffloadState = 'userspace' | 'arming' | 'offloaded' | 'draining';
/** `never`: stays in userspace, goes back to it; `always`: does not wait for flows. */
export type OffloadMode = 'auto' | 'always' | 'never';

/** For so long the kernel knows new flows of userspace, and what is installed is verified, before it takes any itself. */
export const ARMING_MS = 1000;
/** New flows while its endpoints were unchanged that make a service worth it in `auto`. */
export const ENOUGH_FLOWS = 8;
/** The reason of what is in mode `never`. */
export const OFF = 'offload is off';
export const HALF_LIFE_MS = 300_000;
/** Changes within such a time count as one. */
export const FLAP_MS = 60_000;
/** A penalty up to this has no consequence. */
export const FREE_FLAPS = 3;
/** Reached after some eight minutes of changes; changes that never end lead to not quite 8. */
export const SUPPRESS = 5;
/** The hold-down is never longer, however often the endpoints changed. */
export const MAX_HOLD_DOWN_MS = 300_000;
/** Until the next try after two failures in a row; doubles each time, up to the second. */
export const RETRY_MS = 5000;
export const MAX_RETRY_MS = 300_000;
const FAILURES_IN_A_ROW = 2;

/** What is known of a service now. */
export interface Observation {
  /** Milliseconds, of a monotonic clock. */
  readonly now: number;
  readonly mode: OffloadMode;
  /** Milliseconds for which the endpoints are to be unchanged before the switch. */
  readonly after: number;
  /** Why the kernel cannot take the service; undefined: it can. */
  readonly obstacle?: string | undefined;
  /** Equal as long as the endpoints that take flows are the same. */
  readonly endpoints: string;
  /** Flows that userspace ever opened for it. */
  readonly opened: number;
  /** Flows that it has in the kernel. */
  readonly inKernel: number;
  /** Of what was installed last: `good` only when it was read back; `none`: nothing was looked at since the last step. */
  readonly installed: 'good' | 'none' | { readonly failed: string };
}

export interface OffloadMemory {
  readonly state: OffloadState;
  /** When the state began. */
  readonly since: number;
  /** Why it is not offloaded, or no more; undefined when it is. */
  readonly reason?: string | undefined;
  readonly mode: OffloadMode;
  readonly endpoints: string;
  /** When they became so. */
  readonly unchangedSince: number;
  /** Flows that had been opened then. */
  readonly openedBefore: number;
  readonly penalty: number;
  /** When `penalty` was so: at the last change that counted, or at the beginning. */
  readonly penaltyAt: number;
  readonly failures: number;
  /** Times that failures led back to userspace. */
  readonly retreats: number;
  readonly notBefore: number;
}

/** `adopted`: what an earlier agent installed for it is there, and takes new flows, or does not; undefined: nothing is. */
export function firstMemory({ now, mode, endpoints, opened }: Observation, adopted?: { readonly takes: boolean }): OffloadMemory {
  const state = adopted === undefined ? 'userspace' : adopted.takes ? 'offloaded' : 'draining';
  return { state, since: now, mode, endpoints, unchangedSince: now, openedBefore: opened, penalty: 0, penaltyAt: now, failures: 0, retreats: 0, notBefore: now };
}

/** The next step, to be taken whenever something changed and every second or so, since time alone is a reason, too. */
export function step(before: OffloadMemory, seen: Observation): OffloadMemory {
  const memory = countFailures(noteEndpoints(noteMode(before, seen), seen), seen);
  if (memory.failures >= FAILURES_IN_A_ROW) return retreat(memory, seen);
  switch (memory.state) {
    case 'userspace':
      return fromUserspace(memory, seen);
    case 'arming':
      return fromArming(memory, seen, before.endpoints !== seen.endpoints);
    case 'offloaded':
      return fromOffloaded(memory, seen);
    case 'draining':
      return fromDraining(memory, seen);
  }
}

/** What a driver is to install for a service in this state; undefined: nothing. */
export function phaseOf(state: OffloadState): 'watch' | 'take' | 'finish' | undefined {
  return ({ userspace: undefined, arming: 'watch', offloaded: 'take', draining: 'finish' } as const)[state];
}

/** A user who says what is wanted is not to wait for what was before. */
function noteMode(memory: OffloadMemory, { now, mode }: Observation): OffloadMemory {
  return memory.mode === mode ? memory : { ...memory, mode, penalty: 0, penaltyAt: now, retreats: 0, notBefore: now };
}

function noteEndpoints(memory: OffloadMemory, { now, endpoints, opened }: Observation): OffloadMemory {
  if (memory.endpoints === endpoints) return memory;
  const changed = { ...memory, endpoints, unchangedSince: now, openedBefore: opened };
  return now < memory.penaltyAt + FLAP_MS ? changed : { ...changed, penalty: penaltyAt(memory, now) + 1, penaltyAt: now };
}

function penaltyAt(memory: OffloadMemory, now: number): number {
  return memory.penalty * 2 ** (-(now - memory.penaltyAt) / HALF_LIFE_MS);
}

function countFailures(memory: OffloadMemory, { installed }: Observation): OffloadMemory {
  if (installed === 'none' || memory.state === 'userspace') return memory;
  // What was mended is no reason any more.
  if (installed === 'good') return memory.failures === 0 ? memory : { ...memory, failures: 0, reason: memory.state === 'draining' ? memory.reason : undefined };
  return { ...memory, failures: memory.failures + 1, reason: installed.failed };
}

function retreat(memory: OffloadMemory, { now }: Observation): OffloadMemory {
  const wait = Math.min(RETRY_MS * 2 ** memory.retreats, MAX_RETRY_MS);
  return { ...memory, state: 'userspace', since: now, failures: 0, retreats: memory.retreats + 1, notBefore: now + wait };
}

/** Why the kernel may not have it now, whatever the time. */
function hindrance({ mode, obstacle }: Observation): string | undefined {
  return mode === 'never' ? OFF : obstacle;
}

function fromUserspace(memory: OffloadMemory, seen: Observation): OffloadMemory {
  const { now, mode, after, opened } = seen;
  const hindered = hindrance(seen);
  if (hindered !== undefined) return stay(memory, hindered);
  // The reason of a retreat stays on show until it is tried again.
  if (now < memory.notBefore) return memory;
  if (now < memory.unchangedSince + holdDown(memory, after)) return stay(memory, waiting(memory, after));
  if (mode === 'auto' && opened - memory.openedBefore < ENOUGH_FLOWS) return stay(memory, 'too few new flows to be worth it');
  return enter(memory, 'arming', now);
}

/** Milliseconds for which the endpoints are to be unchanged: at least until it would not drain at once. */
function holdDown({ penalty, penaltyAt, unchangedSince }: OffloadMemory, after: number): number {
  const doublings = Math.max(0, Math.floor(penalty) - FREE_FLAPS);
  const doubled = Math.min(after * 2 ** doublings, Math.max(after, MAX_HOLD_DOWN_MS));
  const calm = penalty > SUPPRESS ? penaltyAt + HALF_LIFE_MS * Math.log2(penalty / SUPPRESS) : -Infinity;
  return Math.max(doubled, calm - unchangedSince);
}

function waiting(memory: OffloadMemory, after: number): string {
  const wait = holdDown(memory, after);
  return `its endpoints ${wait > after ? 'change too often, and ' : ''}are to be unchanged for ${Math.ceil(wait / 1000)} s`;
}

function fromArming(memory: OffloadMemory, seen: Observation, changed: boolean): OffloadMemory {
  const { now, installed } = seen;
  const hindered = hindrance(seen) ?? (changed ? 'its endpoints changed' : undefined);
  // A service that drained and is armed again may have flows in the kernel, which are not dropped for this.
  if (hindered !== undefined) return seen.inKernel > 0 ? enter(memory, 'draining', now, hindered) : enter(memory, 'userspace', now, hindered);
  return now >= memory.since + ARMING_MS && installed === 'good' ? enter(memory, 'offloaded', now) : memory;
}

function fromOffloaded(memory: OffloadMemory, seen: Observation): OffloadMemory {
  const { now, after } = seen;
  const hindered = hindrance(seen) ?? (penaltyAt(memory, now) > SUPPRESS ? waiting(memory, after) : undefined);
  if (hindered !== undefined) return enter(memory, 'draining', now, hindered);
  // The failures before it held are forgiven once it has held for a while.
  const held = memory.retreats > 0 && memory.failures === 0 && now - memory.since >= MAX_RETRY_MS;
  return held ? { ...memory, retreats: 0 } : memory;
}

function fromDraining(memory: OffloadMemory, seen: Observation): OffloadMemory {
  const { now, after, inKernel } = seen;
  if (inKernel === 0) return enter(memory, 'userspace', now, memory.reason);
  // What it was taken back for may be over while the kernel still has flows of it.
  const hindered = hindrance(seen);
  if (hindered !== undefined) return stay(memory, hindered);
  return now < memory.unchangedSince + holdDown(memory, after) ? stay(memory, waiting(memory, after)) : enter(memory, 'arming', now);
}

function stay(memory: OffloadMemory, reason: string): OffloadMemory {
  return memory.reason === reason ? memory : { ...memory, reason };
}

function enter(memory: OffloadMemory, state: OffloadState, now: number, reason?: string): OffloadMemory {
  return { ...memory, state, since: now, reason, failures: 0 };
}
