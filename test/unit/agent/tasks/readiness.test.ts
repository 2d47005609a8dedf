import test from 'ava';
import { timeToListen, waitUntilListening } from '../../../../agent/tasks/readiness.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

test('a task has ten seconds to listen, counted from when an earlier agent saw it running', (t) => {
  const wall = Date.parse('2026-01-01T00:00:30.000Z');
  t.is(timeToListen(undefined, wall), 10_000);
  t.is(timeToListen('2026-01-01T00:00:27.000Z', wall), 7000);
  t.is(timeToListen('2026-01-01T00:00:00.000Z', wall), 0);
  t.is(timeToListen('2026-01-01T00:01:00.000Z', wall), 10_000, 'the wall clock was set back');
});

test('with no time left it is looked at once', async (t) => {
  const { signal } = new AbortController();
  // A pid that no process can have: no table to read.
  t.is(await waitUntilListening({ pid: 2 ** 30, clock: new FakeClock(), signal, timeout: 0 }), 'gone');
});
