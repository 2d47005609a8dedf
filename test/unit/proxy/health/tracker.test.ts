import test from 'ava';
import fc from 'fast-check';
import { HealthTracker, type HealthPolicy } from '../../../../proxy/health/tracker.js';

const policy: HealthPolicy = { interval: 5000, retries: 3, startPeriod: 0 };

/** Probes that take no time, each with the result that `result` gives for its time. Answers the times of the changes. */
function play(tracker: HealthTracker, until: number, result: (at: number) => boolean): { at: number; state: string }[] {
  const changes: { at: number; state: string }[] = [];
  while (tracker.nextProbeAt <= until) {
    const at = tracker.nextProbeAt;
    if (tracker.record(result(at), at)) changes.push({ at, state: tracker.state });
  }
  return changes;
}

test('a task is probed at once, then in steps that double up to the interval', (t) => {
  const tracker = new HealthTracker({ interval: 3000, retries: 100, startPeriod: 60_000 }, 1000);
  const times: number[] = [];
  while (times.length < 8) {
    times.push(tracker.nextProbeAt - 1000);
    tracker.record(false, tracker.nextProbeAt);
  }
  t.deepEqual(times, [0, 250, 750, 1750, 3750, 6750, 9750, 12750]);
});

test('a task that becomes healthy is found so soon, and is then probed at the interval', (t) => {
  const tracker = new HealthTracker(policy, 0);
  t.deepEqual(play(tracker, 4999, (at) => at >= 600), [{ at: 750, state: 'healthy' }]);
  t.is(tracker.nextProbeAt, 5750);
});

test('quick probes while starting condemn no sooner than one failure per interval would', (t) => {
  t.deepEqual(play(new HealthTracker(policy, 0), 60_000, () => false), [{ at: 15_000, state: 'unhealthy' }]);
});

test('failures in the start period do not count', (t) => {
  t.deepEqual(play(new HealthTracker({ ...policy, startPeriod: 20_000 }, 0), 60_000, () => false), [{ at: 35_000, state: 'unhealthy' }]);
});

test('a first success ends the start period', (t) => {
  const tracker = new HealthTracker({ ...policy, startPeriod: 60_000 }, 0);
  t.deepEqual(play(tracker, 59_000, (at) => at === 0), [
    { at: 0, state: 'healthy' },
    { at: 15_000, state: 'unhealthy' },
  ]);
});

test('only failures in a row count, and one success heals', (t) => {
  const tracker = new HealthTracker({ interval: 100, retries: 2, startPeriod: 0 }, 0);
  const results = [true, false, true, false, false, false, true];
  const states = results.map((result) => (tracker.record(result, tracker.nextProbeAt), tracker.state));
  t.deepEqual(states, ['healthy', 'healthy', 'healthy', 'healthy', 'unhealthy', 'unhealthy', 'healthy']);
  t.is(tracker.failures, 0);
});

test('record tells whether the state changed', (t) => {
  const tracker = new HealthTracker({ interval: 100, retries: 1, startPeriod: 0 }, 0);
  t.true(tracker.record(true, 0));
  t.false(tracker.record(true, 100));
  t.true(tracker.record(false, 200));
  t.false(tracker.record(false, 300));
});

test('a timer that fires early loses no count, and slow probes are counted from their end', (t) => {
  const tracker = new HealthTracker({ interval: 1000, retries: 2, startPeriod: 0 }, 0);
  while (tracker.nextProbeAt < 1000) tracker.record(false, tracker.nextProbeAt);
  t.is(tracker.nextProbeAt, 1000);
  tracker.record(false, 999.6);
  t.is(tracker.failures, 1);
  t.is(tracker.nextProbeAt, 1999.6);
  t.true(tracker.record(false, 4000));
});

test('whatever the results and delays, the next probe is never before the last one ended, nor later than an interval after', (t) => {
  const step = fc.record({ success: fc.boolean(), late: fc.nat(500), took: fc.nat(2000) });
  const policies = fc.record({ interval: fc.integer({ min: 1, max: 60_000 }), retries: fc.integer({ min: 1, max: 5 }), startPeriod: fc.nat(100_000) });
  fc.assert(
    fc.property(policies, fc.array(step, { maxLength: 60 }), (random, steps) => {
      const tracker = new HealthTracker(random, 0);
      for (const { success, late, took } of steps) {
        const end = tracker.nextProbeAt + late + took;
        tracker.record(success, end);
        if (tracker.nextProbeAt <= end || tracker.nextProbeAt > end + random.interval) return false;
        if (tracker.state === 'unhealthy' && tracker.failures < random.retries) return false;
        if (tracker.state !== 'unhealthy' && tracker.failures >= random.retries) return false;
      }
      return true;
    }),
  );
  t.pass();
});
