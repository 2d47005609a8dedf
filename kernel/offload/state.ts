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
 * Flapping is damped as routes are (RFC 2439): each change of the endpoints adds to a penalty that halves every HALF_LIFE_MS. At
 * SUPPRESS an offloaded service drains; each whole point above one that there was at the last change doubles its hold-down.
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
export const HALF_LIFE_MS = 60_000;
export const SUPPRESS = 6;
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
  readonly endpoints: string;
  /** When they became so. */
  readonly unchangedSince: number;
  /** Flows that had been opened then. */
  readonly openedBefore: number;
  readonly penalty: number;
  /** When `penalty` was so. */
  readonly penaltyAt: number;
  readonly failures: number;
  /** Times that failures led back to userspace. */
  readonly retreats: number;
  readonly notBefore: number;
}

/** `adopted`: what an earlier agent installed for it is there, and takes new flows, or does not; undefined: nothing is. */
export function firstMemory({ now, endpoints, opened }: Observation, adopted?: { readonly takes: boolean }): OffloadMemory {
  const state = adopted === undefined ? 'userspace' : adopted.takes ? 'offloaded' : 'draining';
  return { state, since: now, endpoints, unchangedSince: now, openedBefore: opened, penalty: 0, penaltyAt: now, failures: 0, retreats: 0, notBefore: now };
}

/** The next step, to be taken whenever something changed and every second or so, since time alone is a reason, too. */
export function step(before: OffloadMemory, seen: Observation): OffloadMemory {
  const memory = countFailures(noteEndpoints(before, seen), seen);
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

function noteEndpoints(memory: OffloadMemory, { now, endpoints, opened }: Observation): OffloadMemory {
  if (memory.endpoints === endpoints) return memory;
  return { ...memory, endpoints, unchangedSince: now, openedBefore: opened, penalty: penaltyAt(memory, now) + 1, penaltyAt: now };
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
  const wait = holdDown(memory, after);
  const due = memory.unchangedSince + wait;
  if (now < due) return stay(memory, `its endpoints are to be unchanged for ${Math.round(wait / 1000)} s`);
  if (mode === 'auto' && opened - memory.openedBefore < ENOUGH_FLOWS) return stay(memory, 'too few new flows to be worth it');
  return enter(memory, 'arming', now);
}

function holdDown(memory: OffloadMemory, after: number): number {
  const doublings = Math.max(0, Math.floor(memory.penalty) - 1);
  return Math.min(after * 2 ** doublings, Math.max(after, MAX_HOLD_DOWN_MS));
}

function fromArming(memory: OffloadMemory, seen: Observation, changed: boolean): OffloadMemory {
  const { now, installed } = seen;
  const hindered = hindrance(seen) ?? (changed ? 'its endpoints changed' : undefined);
  // A service that drained and is armed again may have flows in the kernel, which are not dropped for this.
  if (hindered !== undefined) return seen.inKernel > 0 ? enter(memory, 'draining', now, hindered) : enter(memory, 'userspace', now, hindered);
  return now >= memory.since + ARMING_MS && installed === 'good' ? enter(memory, 'offloaded', now) : memory;
}

function fromOffloaded(memory: OffloadMemory, seen: Observation): OffloadMemory {
  const { now } = seen;
  const hindered = hindrance(seen) ?? (penaltyAt(memory, now) >= SUPPRESS ? 'its endpoints change too often' : undefined);
  if (hindered !== undefined) return enter(memory, 'draining', now, hindered);
  // The failures before it held are forgiven once it has held for a while.
  const held = memory.retreats > 0 && memory.failures === 0 && now - memory.since >= MAX_RETRY_MS;
  return held ? { ...memory, retreats: 0 } : memory;
}

function fromDraining(memory: OffloadMemory, seen: Observation): OffloadMemory {
  const { now, after, inKernel } = seen;
  if (inKernel === 0) return enter(memory, 'userspace', now, memory.reason);
  if (hindrance(seen) !== undefined) return memory;
  const due = memory.unchangedSince + holdDown(memory, after);
  return now < due || penaltyAt(memory, now) >= SUPPRESS ? memory : enter(memory, 'arming', now);
}

function stay(memory: OffloadMemory, reason: string): OffloadMemory {
  return memory.reason === reason ? memory : { ...memory, reason };
}

function enter(memory: OffloadMemory, state: OffloadState, now: number, reason?: string): OffloadMemory {
  return { ...memory, state, since: now, reason, failures: 0 };
}
