import test from 'ava';
import type { TaskObject, TaskState } from '../../../../overlay/model/object.js';
import { MAX_DELAY, STABLE_AFTER, backOff, decideRestart, remember } from '../../../../overlay/service/restart.js';
import { EPOCH, taskSpec } from '../fixtures.js';

/** A task made at second `created` that entered `state` at second `since`. */
function task(id: string, state: TaskState, created: number, since: number, more: Partial<TaskObject> = {}): TaskObject {
  const at = (seconds: number): string => new Date(EPOCH + seconds * 1000).toISOString();
  return {
    id, name: id, serviceId: 's', slot: 1, spec: taskSpec, version: 1, labels: {}, node: 'n', addresses: [], desired: 'running',
    status: { state, since: at(since), health: 'none' }, createdAt: at(created), ...more,
  };
}

const any = { condition: 'any', delay: 1000 } as const;

test('the delay doubles up to 30 s, and no delay stays none', (t) => {
  t.deepEqual([1, 2, 3, 4, 5, 6, 7, 1000].map((failures) => backOff(1000, failures)), [1000, 2000, 4000, 8000, 16_000, MAX_DELAY, MAX_DELAY, MAX_DELAY]);
  t.is(backOff(0, 1000), 0);
  t.is(backOff(60_000, 3), 60_000, 'a longer first delay is what the user asked for');
});

test('the next task is due after the delay from the end of the last', (t) => {
  const dead = task('a', 'failed', 0, 1);
  const memory = remember(undefined, dead, []);
  t.is(memory.failures, 1);
  t.deepEqual(decideRestart(any, dead, memory, EPOCH + 1999), { type: 'at', time: EPOCH + 2000 });
  t.deepEqual(decideRestart(any, dead, memory, EPOCH + 2000), { type: 'now' });
  t.deepEqual(decideRestart(any, dead, memory, EPOCH - 5000), { type: 'at', time: EPOCH - 4000 }, 'a clock that was set back costs one delay at most');
});

test('an end is counted once, however often it is looked at', (t) => {
  const dead = task('a', 'failed', 0, 1);
  const once = remember(undefined, dead, []);
  t.deepEqual(remember(once, dead, []), once);
  const second = remember(once, task('b', 'failed', 3, 4), [dead]);
  t.is(second.failures, 2);
});

test('a task that ran for 10 s makes the slot forget its failures', (t) => {
  let memory = remember(undefined, task('a', 'failed', 0, 1), []);
  memory = remember(memory, task('b', 'running', 2, 5), []);
  t.is(memory.failures, 1, 'not yet: it may still fail');
  const early = remember(memory, task('b', 'failed', 2, 5 + STABLE_AFTER / 1000 - 1), []);
  t.is(early.failures, 2, 'what counts is how long it ran, not how long it was there');
  t.is(remember(memory, task('b', 'failed', 2, 5 + STABLE_AFTER / 1000), []).failures, 1);
});

test('a stop that was asked for is no failure', (t) => {
  const failed = remember(undefined, task('a', 'failed', 0, 1), []);
  for (const stopped of [task('b', 'shutdown', 2, 3), task('b', 'failed', 2, 3, { desired: 'shutdown' })]) {
    const memory = remember(failed, stopped, []);
    t.is(memory.failures, 1);
    t.deepEqual(decideRestart({ condition: 'none', delay: 5000 }, stopped, memory, EPOCH + 3000), { type: 'now' });
  }
});

test('failures of another version do not count', (t) => {
  const failed = remember(remember(undefined, task('a', 'failed', 0, 1), []), task('b', 'failed', 2, 3), []);
  t.is(failed.failures, 2);
  t.is(remember(failed, task('c', 'failed', 4, 5, { version: 2 }), []).failures, 1);
});

test('without memory the ended records are counted, up to a stop, a stable run or another version', (t) => {
  const latest = task('z', 'failed', 100, 101);
  const short = (id: string, at: number, more: Partial<TaskObject> = {}): TaskObject => task(id, 'failed', at, at + 1, more);
  t.is(remember(undefined, latest, [short('c', 90), short('b', 80)]).failures, 3);
  t.is(remember(undefined, latest, [short('c', 90), task('b', 'shutdown', 80, 81), short('a', 70)]).failures, 2);
  t.is(remember(undefined, latest, [short('c', 90), task('b', 'failed', 50, 81), short('a', 40)]).failures, 3);
  t.is(remember(undefined, latest, [short('c', 90), short('b', 80, { version: 0 }), short('a', 70)]).failures, 2);
});

test('conditions', (t) => {
  const decide = (condition: 'any' | 'on-failure' | 'none', state: TaskState) => {
    const ended = task('a', state, 0, 1);
    return decideRestart({ condition, delay: 0 }, ended, remember(undefined, ended, []), EPOCH + 1000).type;
  };
  t.deepEqual([decide('any', 'complete'), decide('any', 'failed')], ['now', 'now']);
  t.deepEqual([decide('on-failure', 'complete'), decide('on-failure', 'failed')], ['complete', 'now']);
  t.deepEqual([decide('none', 'complete'), decide('none', 'failed')], ['complete', 'complete']);
});

test('attempts are restarts: two attempts are three tasks', (t) => {
  const policy = { condition: 'any', delay: 0, maxAttempts: 2 } as const;
  let memory;
  const decisions: string[] = [];
  for (const [index, id] of ['a', 'b', 'c'].entries()) {
    const ended = task(id, 'failed', index, index);
    memory = remember(memory, ended, []);
    decisions.push(decideRestart(policy, ended, memory, EPOCH + 60_000).type);
  }
  t.deepEqual(decisions, ['now', 'now', 'gave-up']);
});
