/** Rolling updates and rollbacks, as scripts of what happens and what is wanted of it. */
import test from 'ava';
import type { ServiceSpec, UpdatePolicy } from '../../../../overlay/model/spec.js';
import { DEFAULT_ROLLBACK, DEFAULT_UPDATE } from '../../../../overlay/model/updates.js';
import { taskSpec } from '../fixtures.js';
import { SmallWorld } from './small-world.js';

/** Its tasks run. */
function world(replicas: number, update: Partial<UpdatePolicy>, more: Partial<ServiceSpec> = {}): SmallWorld {
  const made = new SmallWorld();
  made.add('vote', { replicas, update: { ...DEFAULT_UPDATE, ...update }, restart: { condition: 'any', delay: 60_000 }, ...more });
  made.settle();
  made.now += 60_000;
  return made;
}

const checked = { ...taskSpec, healthcheck: { command: ['true'], interval: 1000, timeout: 1000, retries: 1, startPeriod: 0 } };

test('an update is completed when its last task has served for the monitored time', (t) => {
  const w = world(2, {});
  w.updateTasks('vote');
  t.deepEqual(w.settle(), ['stop t1 updated', 'create vote.1 t3', 'stop t2 updated', 'create vote.2 t4']);
  t.is(w.wakeAt, w.now + 5000);
  t.deepEqual(w.step(4999), []);
  t.deepEqual(w.step(1), ['note vote completed']);
  t.like(w.services[0]?.updateStatus, { state: 'completed', startedAt: '2024-01-01T00:01:00.000Z', completedAt: '2024-01-01T00:01:05.000Z' });
  t.deepEqual(w.step(), []);
  t.is(w.wakeAt, undefined);
});

test('parallelism: so many slots at a time; 0 is all', (t) => {
  const w = world(5, { parallelism: 2 });
  w.updateTasks('vote');
  t.deepEqual(w.step(), ['stop t1 updated', 'stop t2 updated']);
  w.mark('t1', { state: 'shutdown' });
  t.deepEqual(w.step(), ['create vote.1 t6']);
  w.mark('t6', { state: 'running' });
  t.deepEqual(w.step(), ['stop t3 updated'], 'as soon as one serves, not when both do');
  const all = world(5, { parallelism: 0 });
  all.updateTasks('vote');
  t.is(all.step().length, 5);
});

test('delay: from when a slot serves to the next one', (t) => {
  const w = world(2, { delay: 10_000 }, { task: checked });
  for (const id of ['t1', 't2']) w.mark(id, { health: 'healthy' });
  w.updateTasks('vote');
  t.deepEqual(w.step(), ['stop t1 updated']);
  w.obey();
  t.deepEqual(w.step(), ['create vote.1 t3']);
  w.obey();
  t.deepEqual(w.step(20_000), [], 'not before it is healthy');
  w.mark('t3', { health: 'healthy' });
  t.deepEqual(w.step(), []);
  t.is(w.wakeAt, w.now + 10_000);
  t.deepEqual(w.step(9999), []);
  t.deepEqual(w.step(1), ['stop t2 updated']);
});

test('start-first: the old task goes when the new one serves', (t) => {
  const w = world(2, { order: 'start-first' }, { task: checked });
  for (const id of ['t1', 't2']) w.mark(id, { health: 'healthy' });
  w.updateTasks('vote');
  t.deepEqual(w.step(), ['create vote.1 t3']);
  w.mark('t3', { state: 'running' });
  t.deepEqual(w.step(60_000), []);
  w.mark('t3', { health: 'healthy' });
  t.deepEqual(w.step(), ['stop t1 updated', 'create vote.2 t4'], 'which is when the next begins');
  t.deepEqual(w.step(), [], 'whether the old one has ended or not');
  w.mark('t4', { state: 'running', health: 'healthy' });
  t.deepEqual(w.step(), ['stop t2 updated']);
  w.obey();
  t.deepEqual(w.step(5000), ['note vote completed']);
});

test('start-first: an old task that does not serve is not waited for', (t) => {
  const w = world(2, { order: 'start-first' });
  w.mark('t2', { state: 'starting' });
  w.updateTasks('vote');
  t.deepEqual(w.step(), ['stop t2 updated']);
  t.deepEqual(w.step(), ['create vote.2 t3']);
});

test('a failure pauses; restarts go on in the slots that were begun, and no other is', (t) => {
  const w = world(3, {});
  w.updateTasks('vote');
  w.step();
  w.obey();
  t.deepEqual(w.step(), ['create vote.1 t4']);
  w.mark('t4', { state: 'failed', exitCode: 3 });
  t.deepEqual(w.step(), ['note vote paused: t4 failed: exit code 3']);
  t.like(w.services[0]?.updateStatus, { state: 'paused', startedAt: '2024-01-01T00:01:00.000Z' });
  t.deepEqual(w.step(59_999), []);
  t.deepEqual(w.step(1), ['create vote.1 t5']);
  t.deepEqual(w.settle(), []);
  t.deepEqual(w.step(3_600_000), [], 'though it serves now');
});

test('failures are those within the monitored time after a task began to serve', (t) => {
  const end = (after: number, task = taskSpec): string[] => {
    const w = world(2, { monitor: 5000 }, { task });
    for (const id of ['t1', 't2']) w.mark(id, { health: task === checked ? 'healthy' : 'none' });
    w.updateTasks('vote');
    w.step();
    w.obey();
    w.step();
    w.step(30_000);
    w.obey();
    w.step();
    if (task === checked) w.mark('t3', { health: 'healthy' });
    w.step();
    w.now += after;
    w.mark('t3', { state: 'failed', message: 'gone' });
    return w.step();
  };
  t.deepEqual(end(5000), ['note vote paused: t3 failed: gone']);
  t.deepEqual(end(5001), []);
  t.deepEqual(end(5000, checked), ['note vote paused: t3 failed: gone']);
  t.deepEqual(end(5001, checked), []);
});

test('a task that never was healthy has failed, however late', (t) => {
  const w = world(1, {}, { task: checked });
  w.mark('t1', { health: 'healthy' });
  w.updateTasks('vote');
  w.settle();
  w.step(90_000);
  w.mark('t2', { state: 'failed', health: 'unhealthy', message: 'unhealthy: its health check failed' });
  t.deepEqual(w.step(), ['note vote paused: t2 failed: unhealthy: its health check failed']);
});

test('a leader that was elected meanwhile goes by the records', (t) => {
  const w = world(2, {});
  w.updateTasks('vote');
  w.step();
  w.obey();
  w.step();
  w.obey();
  w.step(1000);
  w.mark('t3', { state: 'failed' });
  w.memory = new Map();
  t.deepEqual(w.step(), ['note vote paused: t3 ended (failed)']);
});

test('what ends in a slot of an older version, or because it was told to, is no failure', (t) => {
  const w = world(2, {});
  w.updateTasks('vote');
  w.step();
  w.mark('t2', { state: 'failed' });
  t.deepEqual(w.step(), ['create vote.2 t3']);
  w.mark('t3', { state: 'shutdown' });
  t.deepEqual(w.step(), ['create vote.2 t4']);
});

test('work that is done is no failure where nothing restarts it', (t) => {
  const w = world(1, {}, { restart: { condition: 'on-failure', delay: 0 } });
  w.updateTasks('vote');
  w.settle();
  w.mark('t2', { state: 'complete', exitCode: 0 });
  t.deepEqual(w.step(), ['note vote completed']);
});

test('a ratio of failures is borne; continue bears all', (t) => {
  const w = world(4, { maxFailureRatio: 0.25 });
  w.updateTasks('vote');
  const fail = (id: string): string[] => {
    w.obey();
    w.step();
    w.mark(id, { state: 'failed' });
    return w.step();
  };
  t.deepEqual(w.step(), ['stop t1 updated']);
  t.deepEqual(fail('t5'), ['stop t2 updated'], 'one of four');
  t.deepEqual(fail('t6'), ['note vote paused: 2 of 4 tasks failed, t5 ended (failed)']);

  const all = world(2, { failureAction: 'continue' });
  all.updateTasks('vote');
  t.deepEqual(all.step(), ['stop t1 updated']);
  all.obey();
  all.step();
  all.mark('t3', { state: 'failed' });
  t.deepEqual(all.step(), ['stop t2 updated']);
  all.settle();
  t.deepEqual(all.step(5000), ['note vote completed'], 'though one slot waits to be restarted');
});

test('rollback: back to the previous spec; tasks that were not touched stay', (t) => {
  const w = world(3, { failureAction: 'rollback' }, { task: checked });
  for (const id of ['t1', 't2', 't3']) w.mark(id, { health: 'healthy' });
  const before = w.services[0]?.spec;
  w.updateTasks('vote', { task: { ...checked, command: ['broken'] } });
  w.step();
  w.obey();
  w.step();
  w.mark('t4', { state: 'failed', message: 'no such program' });
  t.deepEqual(w.step(), ['roll back vote: t4 failed: no such program']);
  t.deepEqual(w.services[0]?.spec, before);
  t.deepEqual(w.step(), ['create vote.1 t5'], 'at once: the back-off was of the version that failed');
  w.mark('t5', { state: 'running', health: 'healthy' });
  t.deepEqual(w.step(), []);
  t.deepEqual(w.step(5000), ['note vote rollback_completed']);
  t.deepEqual(w.tasks.filter(({ status }) => status.state === 'running').map(({ id }) => id), ['t2', 't3', 't5']);
});

test('rollback, start-first: nothing that serves is stopped at all', (t) => {
  const w = world(2, { failureAction: 'rollback', order: 'start-first' });
  w.updateTasks('vote');
  t.deepEqual(w.step(), ['create vote.1 t3']);
  w.mark('t3', { state: 'failed' });
  t.deepEqual(w.step(), ['roll back vote: t3 ended (failed)']);
  t.deepEqual(w.settle(), ['note vote rollback_completed']);
  t.is(w.where('vote'), '1:n 2:n');
});

test('a rollback goes by its own policy, and pauses when it fails', (t) => {
  const w = world(3, { failureAction: 'rollback' }, { rollback: { ...DEFAULT_ROLLBACK, parallelism: 2 } });
  w.updateTasks('vote');
  w.settle();
  t.is(w.services[0]?.updateStatus?.state, 'updating');
  w.rollBack('vote');
  t.deepEqual(w.step(), ['stop t4 updated', 'stop t5 updated']);
  w.obey();
  w.step();
  w.mark('t7', { state: 'failed', exitCode: 1 });
  t.deepEqual(w.step(), ['note vote rollback_paused: t7 failed: exit code 1']);
  t.deepEqual(w.step(30_000), [], 'no second rollback');
});

test('start-first, an attempt that failed is made again after the delay, and the old task serves on', (t) => {
  const w = world(2, { order: 'start-first', failureAction: 'continue', parallelism: 1 });
  w.updateTasks('vote');
  t.deepEqual(w.step(), ['create vote.1 t3']);
  w.mark('t3', { state: 'failed' });
  t.deepEqual(w.step(), ['create vote.2 t4'], 'the failure is borne');
  w.mark('t4', { state: 'running' });
  t.deepEqual(w.step(), ['stop t2 updated']);
  t.deepEqual(w.step(59_999), ['note vote completed']);
  t.deepEqual(w.step(1), ['create vote.1 t5']);
  w.obey();
  t.deepEqual(w.step(), ['stop t1 updated']);
});
