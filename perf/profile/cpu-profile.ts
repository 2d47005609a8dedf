/**
 * Reading a `.cpuprofile`, as V8 writes it (`node --cpu-prof`): how long each function was itself on top of the stack.
 * Pure. Where a function stands in our source is said by place.ts; how it is shown, by table.ts.
 */

export interface CallFrame {
  readonly functionName: string;
  /** `file:///…/dist/proxy/dataplane/pipeline.js`, `node:internal/…`, or empty for native code. */
  readonly url: string;
  /** From 0; -1 for native code. */
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** The parts of Chromium's Profiler.Profile that are used. Times are microseconds of the system's monotonic clock. */
export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly startTime: number;
  readonly endTime: number;
  /** The node on top of the stack, sample by sample. */
  readonly samples: readonly number[];
  /** From the sample before (the first: from startTime) to this one. */
  readonly timeDeltas: readonly number[];
}

export interface FunctionTime {
  readonly frame: CallFrame;
  /** Microseconds. */
  readonly self: number;
}

export interface ThreadTimes {
  /** Microseconds that were looked at. */
  readonly wall: number;
  /** Of these, what was spent waiting for something to do. */
  readonly waiting: number;
  /** All that were seen at work, the longest first. */
  readonly functions: readonly FunctionTime[];
}

/** Microseconds of the monotonic clock, both ends. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** Throws TypeError with the reason when the text is no profile. */
export function parseProfile(text: string): CpuProfile {
  const value = JSON.parse(text) as Partial<CpuProfile> | null;
  if (!Array.isArray(value?.nodes) || !Array.isArray(value.samples) || !Array.isArray(value.timeDeltas)) {
    throw new TypeError('not a CPU profile: nodes, samples or timeDeltas are missing (was the process killed while it wrote?)');
  }
  if (value.samples.length !== value.timeDeltas.length) throw new TypeError('not a CPU profile: as many samples as time deltas are needed');
  return value as CpuProfile;
}

/** A sample counts for the time until the next one, as in Chromium's own tools; of that, what lies in the window. */
export function threadTimes(profile: CpuProfile, window: Window = { from: profile.startTime, to: profile.endTime }): ThreadTimes {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, { frame: CallFrame; self: number }>();
  let wall = 0;
  let waiting = 0;
  let at = profile.startTime;
  profile.samples.forEach((id, index) => {
    at += profile.timeDeltas[index] ?? 0;
    const next = index + 1 < profile.samples.length ? at + (profile.timeDeltas[index + 1] ?? 0) : profile.endTime;
    const self = Math.max(0, Math.min(next, window.to) - Math.max(at, window.from));
    const frame = frames.get(id);
    if (self === 0 || frame === undefined) return;
    wall += self;
    if (isWaiting(frame)) {
      waiting += self;
      return;
    }
    const key = `${frame.functionName} ${frame.url}:${frame.lineNumber}:${frame.columnNumber}`;
    const known = byFunction.get(key);
    if (known) known.self += self;
    else byFunction.set(key, { frame, self });
  });
  return { wall, waiting, functions: [...byFunction.values()].sort((a, b) => b.self - a.self) };
}

/** An event loop with nothing to do is `(idle)`; a thread of ours that serves descriptors itself waits in poll(2). */
function isWaiting({ functionName, url }: CallFrame): boolean {
  return functionName === '(idle)' || (functionName === 'poll' && url.endsWith('/kernel/ffi/libc.js'));
}

/** `CPU.20261122.171502.5.1.002.cpuprofile` is of thread 1; undefined for another name. The main thread is 0. */
export function threadOf(fileName: string): number | undefined {
  const thread = /^CPU\.\d+\.\d+\.\d+\.(\d+)\.\d+\.cpuprofile$/.exec(fileName)?.[1];
  return thread === undefined ? undefined : Number(thread);
}

/** What a thread does, by the folder of the module it was started with (`agent/dataplane/entry.js`). */
export function roleOf(profile: CpuProfile, thread: number): string {
  if (thread === 0) return 'main';
  for (const { callFrame } of profile.nodes) {
    const folder = /\/([^/]+)\/entry\.js$/.exec(callFrame.url)?.[1];
    if (folder !== undefined) return folder;
  }
  return 'worker';
}
