import test from 'ava';
import type { ObservedStatus } from '../../../../agent/reconcile/task-runner.js';
import { StatusWriter } from '../../../../agent/reconcile/status-writer.js';
import { TaskEndedError } from '../../../../overlay/model/errors.js';
import type { TaskObject } from '../../../../overlay/model/object.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const task = { id: 't1', name: 'vote.1.t1' } as TaskObject;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('observations are stored in their order, one at a time', async (t) => {
  const stored: string[] = [];
  const writer = new StatusWriter(
    async (_, { state }) => {
      await settle();
      stored.push(state);
    },
    new FakeClock(),
    (error) => t.fail(String(error)),
  );
  for (const state of ['starting', 'running', 'stopping'] as const) writer.write(task, { state });
  while (stored.length < 3) await settle();
  t.deepEqual(stored, ['starting', 'running', 'stopping']);
});

test('a store that cannot be written is tried again, told once, and nothing is lost', async (t) => {
  const clock = new FakeClock();
  const stored: ObservedStatus[] = [];
  const errors: unknown[] = [];
  let full = true;
  const writer = new StatusWriter(
    (_, observed) => (full ? Promise.reject(new Error('disk full')) : Promise.resolve(stored.push(observed))),
    clock,
    (error) => errors.push(error),
  );
  writer.write(task, { state: 'running', pid: 7 });
  for (let i = 0; i < 5; i++) {
    await settle();
    clock.advance(1000);
  }
  writer.write(task, { state: 'failed', exitCode: 137 });
  t.is(errors.length, 1);
  full = false;
  await settle();
  clock.advance(1000);
  await settle();
  t.deepEqual(stored, [{ state: 'running', pid: 7 }, { state: 'failed', exitCode: 137 }]);
});

test('what has ended already takes no more, and a later task is not held up', async (t) => {
  const stored: string[] = [];
  const writer = new StatusWriter(
    (id) => (id === 't1' ? Promise.reject(new TaskEndedError('vote.1.t1', 'failed')) : Promise.resolve(stored.push(id))),
    new FakeClock(),
    (error) => t.fail(String(error)),
  );
  writer.write(task, { state: 'running' });
  writer.write({ ...task, id: 't2' }, { state: 'running' });
  await settle();
  t.deepEqual(stored, ['t2']);
});
