import test from 'ava';
import { parseProfile, roleOf, threadOf, threadTimes, type CallFrame, type CpuProfile } from '../../../../perf/profile/cpu-profile.js';

const frame = (functionName: string, url = '', lineNumber = -1): CallFrame => ({ functionName, url, lineNumber, columnNumber: lineNumber });
const ENTRY = 'file:///x/dist/agent/dataplane/entry.js';
const LIBC = 'file:///x/dist/kernel/ffi/libc.js';

/** From 1000 µs to 2000: idle 100, work 300, poll 200, work (another node, the same function) 150, (idle) 50, write 200. */
const PROFILE: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)') },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('work', ENTRY, 10) },
    { id: 4, callFrame: frame('work', ENTRY, 10) },
    { id: 5, callFrame: frame('poll', LIBC, 70) },
    { id: 6, callFrame: frame('write', LIBC, 60) },
    { id: 7, callFrame: frame('work', ENTRY, 99) },
  ],
  startTime: 1000,
  endTime: 2000,
  samples: [2, 3, 5, 4, 2, 6],
  timeDeltas: [0, 100, 300, 200, 150, 50],
};

const table = ({ functions }: ReturnType<typeof threadTimes>): [string, number][] => functions.map(({ frame: { functionName }, self }) => [functionName, self]);

test('a sample counts until the next one, and the same function under two callers is one', (t) => {
  const times = threadTimes(PROFILE);
  t.deepEqual(table(times), [['work', 450], ['write', 200]]);
  t.is(times.wall, 1000);
  t.is(times.waiting, 350, 'the event loop idle, and a wait in poll(2)');
});

test('only what lies in the window counts', (t) => {
  const times = threadTimes(PROFILE, { from: 1350, to: 1900 });
  t.deepEqual(table(times), [['work', 200], ['write', 100]]);
  t.is(times.wall, 550);
  t.is(times.waiting, 250);
  t.deepEqual(threadTimes(PROFILE, { from: 5000, to: 6000 }), { wall: 0, waiting: 0, functions: [] });
});

test('functions of the same name at two places are two', (t) => {
  const times = threadTimes({ ...PROFILE, samples: [3, 7], timeDeltas: [0, 400] });
  t.deepEqual(times.functions.map(({ frame: { lineNumber }, self }) => [lineNumber, self]), [[99, 600], [10, 400]]);
});

test("another library's poll is work", (t) => {
  const nodes = [{ id: 1, callFrame: frame('poll', 'file:///x/node_modules/y/z.js', 1) }];
  t.is(threadTimes({ nodes, startTime: 0, endTime: 10, samples: [1], timeDeltas: [0] }).waiting, 0);
});

test('a text that is no profile is refused', (t) => {
  t.deepEqual(parseProfile(JSON.stringify(PROFILE)), PROFILE);
  t.throws(() => parseProfile('{"nodes":[]}'), { instanceOf: TypeError, message: /not a CPU profile/ });
  t.throws(() => parseProfile('null'), { instanceOf: TypeError });
  t.throws(() => parseProfile(JSON.stringify({ ...PROFILE, samples: [1] })), { instanceOf: TypeError, message: /as many samples/ });
  t.throws(() => parseProfile('{"nodes":'), { instanceOf: SyntaxError });
});

test("a profile's thread is in its file's name", (t) => {
  t.is(threadOf('CPU.20261122.171502.5.0.001.cpuprofile'), 0);
  t.is(threadOf('CPU.20261122.171502.4711.12.014.cpuprofile'), 12);
  t.is(threadOf('session.json'), undefined);
});

test('a thread is named after the module it was started with', (t) => {
  t.is(roleOf(PROFILE, 0), 'main');
  t.is(roleOf(PROFILE, 2), 'dataplane');
  t.is(roleOf({ ...PROFILE, nodes: [] }, 2), 'worker');
});
