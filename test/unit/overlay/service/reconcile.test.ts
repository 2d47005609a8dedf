import test from 'ava';
import fc from 'fast-check';
import type { TaskObject } from '../../../../overlay/model/object.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { isEnded } from '../../../../overlay/model/task-state.js';
import { KEEP_ENDED, reconcile } from '../../../../overlay/service/reconcile.js';
import { EPOCH, taskSpec } from '../fixtures.js';
import { SmallWorld } from './small-world.js';

function world(more: Partial<ServiceSpec> = {}): SmallWorld {
  const made = new SmallWorld();
  made.add('vote', more);
  return made;
}

const checked = { ...taskSpec, healthcheck: { command: ['true'], interval: 1000, timeout: 1000, retries: 1, startPeriod: 0 } };

test('nothing is wanted of nothing', (t) => {
  t.deepEqual(reconcile([], [], new Map(), 0, []), { actions: [], memory: new Map(), problems: new Map() });
});

test('a new service gets its slots, once', (t) => {
  const w = world({ replicas: 3 });
  t.deepEqual(w.step(), ['create vote.1 t1', 'create vote.2 t2', 'create vote.3 t3']);
  t.deepEqual(w.step(), []);
  t.is(w.wakeAt, undefined);
});

test('tasks that are pending, starting or unhealthy are left alone, however long', (t) => {
  const w = world({ replicas: 3, task: checked });
  w.step();
  w.mark('t2', { state: 'starting' });
  w.mark('t3', { state: 'running', health: 'unhealthy' });
  t.deepEqual(w.step(24 * 3_600_000), []);
});

test('after a restart of the agent, with no memory, what runs is left alone', (t) => {
  const w = world({ replicas: 2 });
  w.settle();
  w.mark('t1', { state: 'pending' });
  w.mark('t2', { state: 'starting' });
  w.memory = new Map();
  t.deepEqual(w.step(5000), []);
});

test('scaling up fills the new slots, scaling down empties the highest', (t) => {
  const w = world({ replicas: 2 });
  w.settle();
  w.update('vote', { replicas: 4 }, false);
  t.deepEqual(w.step(), ['create vote.3 t3', 'create vote.4 t4']);
  w.update('vote', { replicas: 1 }, false);
  t.deepEqual(w.step(), ['stop t4 scaled-down', 'stop t3 scaled-down', 'stop t2 scaled-down']);
  t.deepEqual(w.step(), [], 'once');
  w.update('vote', { replicas: 2 }, false);
  t.deepEqual(w.step(), [], 'a slot whose task is still stopping waits for it');
  w.obey();
  t.deepEqual(w.step(), ['create vote.2 t5']);
});

test('to zero and back', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'none', delay: 60_000 } });
  w.settle();
  w.update('vote', { replicas: 0 }, false);
  t.deepEqual(w.settle(), ['stop t2 scaled-down', 'stop t1 scaled-down']);
  w.update('vote', { replicas: 2 }, false);
  t.deepEqual(w.step(), ['create vote.1 t3', 'create vote.2 t4'], 'at once, whatever the restart policy says');
});

test('a task that died is replaced in its slot after the delay, and wakeAt says when', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'any', delay: 5000 } });
  w.settle();
  w.now += 60_000;
  w.mark('t1', { state: 'failed', exitCode: 137 });
  t.deepEqual(w.step(100), []);
  t.is(w.wakeAt, EPOCH + 65_000);
  t.deepEqual(w.step(4899), []);
  t.deepEqual(w.step(1), ['create vote.1 t3']);
  t.is(w.wakeAt, undefined);
});

test('the earliest of several wakes is given', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'any', delay: 5000 } });
  w.add('other', { restart: { condition: 'any', delay: 2000 } });
  w.settle();
  for (const id of ['t1', 't2', 't3']) w.mark(id, { state: 'failed' });
  w.step();
  t.is(w.wakeAt, EPOCH + 2000);
  t.deepEqual(w.step(2000), ['create other.1 t4']);
  t.is(w.wakeAt, EPOCH + 5000);
});

/** Runs into every restart, letting each task run for `uptime`; answers the delays. */
function delays(w: SmallWorld, count: number, uptime: number): number[] {
  const seen: number[] = [];
  for (let i = 0; i < count; i++) {
    w.obey();
    w.step();
    w.now += uptime;
    w.mark(w.live('vote', 1).id, { state: 'failed' });
    const died = w.now;
    for (w.step(); w.wakeAt !== undefined; ) w.step(w.wakeAt - w.now);
    seen.push(w.now - died);
  }
  return seen;
}

test('the delay doubles to 30 s while tasks keep dying, and begins anew after 10 s of running', (t) => {
  const w = world({ restart: { condition: 'any', delay: 1000 } });
  w.step();
  t.deepEqual(delays(w, 7, 200), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  t.deepEqual(delays(w, 2, 10_000), [1000, 1000]);
  t.deepEqual(delays(w, 2, 9_999), [2000, 4000]);
});

test('back-off survives a restart of the agent, as far as the records go', (t) => {
  const w = world({ restart: { condition: 'any', delay: 1000 } });
  w.step();
  delays(w, 3, 200);
  w.memory = new Map();
  t.deepEqual(delays(w, 1, 200), [8000]);
});

test('attempts run out, and an update gives new ones', (t) => {
  const w = world({ restart: { condition: 'on-failure', delay: 0, maxAttempts: 2 } });
  for (const id of ['t1', 't2', 't3']) {
    t.deepEqual(w.step(), [`create vote.1 ${id}`]);
    w.obey();
    w.step(100);
    w.mark(id, { state: 'failed' });
  }
  t.deepEqual(w.step(3_600_000), []);
  t.is(w.wakeAt, undefined);
  w.update('vote', {}, true);
  t.deepEqual(w.step(), ['create vote.1 t4']);
  w.mark('t4', { state: 'failed' });
  t.deepEqual(w.step(), ['create vote.1 t5']);
});

test('a slot whose work is complete stays so until the service changes', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'on-failure', delay: 0 } });
  w.settle();
  w.mark('t1', { state: 'complete', exitCode: 0 });
  w.mark('t2', { state: 'failed', exitCode: 1 });
  t.deepEqual(w.step(), ['create vote.2 t3']);
  w.update('vote', {}, true);
  t.deepEqual(w.step(), ['create vote.1 t4']);
});

test('only the last five ended tasks of a slot are kept', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'any', delay: 0 } });
  w.settle();
  const forgotten: string[] = [];
  for (let i = 0; i < 8; i++) {
    w.now += 20_000;
    w.mark(w.live('vote', 1).id, { state: 'failed' });
    forgotten.push(...w.settle().filter((action) => action.startsWith('forget')));
  }
  t.deepEqual(forgotten, ['forget t1', 'forget t3', 'forget t4']);
  t.is(w.tasks.filter(isEnded).length, KEEP_ENDED);
});

test('a service that is gone: its tasks are stopped, then forgotten; one-off tasks are not touched', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'none', delay: 0 } });
  w.settle();
  w.mark('t1', { state: 'failed' });
  const oneOff: TaskObject & { serviceId?: string } = { ...w.live('vote', 2), id: 'run', slot: 0 };
  delete oneOff.serviceId;
  w.tasks.push(oneOff);
  w.services = [];
  t.deepEqual(w.step(), ['stop t2 service-removed', 'forget t1']);
  t.deepEqual(w.step(), []);
  w.mark('t2', { state: 'shutdown' });
  t.deepEqual(w.step(), ['forget t2']);
  t.deepEqual(w.tasks.map(({ id }) => id), ['run']);
  t.is(w.memory.size, 0);
});

test('an update replaces one slot at a time, each stopped first, the next when the new one serves', (t) => {
  const w = world({ replicas: 3, task: checked });
  w.settle();
  for (const id of ['t1', 't2', 't3']) w.mark(id, { health: 'healthy' });
  w.update('vote', {}, true);
  t.deepEqual(w.step(), ['stop t1 updated']);
  t.deepEqual(w.step(), [], 'it is stopping');
  w.obey();
  t.deepEqual(w.step(), ['create vote.1 t4']);
  w.mark('t4', { state: 'starting' });
  t.deepEqual(w.step(), []);
  w.mark('t4', { state: 'running' });
  t.deepEqual(w.step(60_000), [], 'its health is still starting');
  w.mark('t4', { health: 'healthy' });
  t.deepEqual(w.step(), ['stop t2 updated']);
  w.obey();
  t.deepEqual(w.step(), ['create vote.2 t5']);
  w.mark('t5', { state: 'running', health: 'healthy' });
  t.deepEqual(w.step(), ['stop t3 updated']);
  w.obey();
  t.deepEqual(w.step(), ['create vote.3 t6']);
  w.mark('t6', { state: 'running', health: 'healthy' });
  t.deepEqual(w.step(), []);
});

test('a new version that does not come up halts the update; the one that mends it begins there', (t) => {
  const w = world({ replicas: 3, task: checked, restart: { condition: 'any', delay: 1000, maxAttempts: 1 } });
  w.settle();
  for (const id of ['t1', 't2', 't3']) w.mark(id, { health: 'healthy' });
  w.update('vote', {}, true);
  w.step();
  w.obey();
  t.deepEqual(w.step(), ['create vote.1 t4']);
  w.mark('t4', { state: 'failed' });
  t.deepEqual(w.step(), [], 'in back-off');
  t.deepEqual(w.step(1000), ['create vote.1 t5']);
  w.mark('t5', { state: 'running', health: 'unhealthy' });
  t.deepEqual(w.step(3_600_000), []);
  w.update('vote', {}, true);
  t.deepEqual(w.step(), ['stop t5 updated'], 'not t2, which serves');
  w.obey();
  t.deepEqual(w.step(), ['create vote.1 t6']);
  for (let i = 0; i < 2; i++) {
    w.mark(w.live('vote', 1).id, { state: 'failed' });
    w.step();
    w.step(1000);
  }
  t.deepEqual(w.step(3_600_000), [], 'it gave up, and the others go on as they are');
  t.deepEqual(w.tasks.filter((task) => !isEnded(task)).map(({ id }) => id), ['t2', 't3']);
});

test('an update while scaling up waits for the new slots; a dead slot comes back in the new version', (t) => {
  const w = world({ replicas: 2, restart: { condition: 'any', delay: 30_000 } });
  w.settle();
  w.mark('t2', { state: 'failed' });
  w.step();
  w.update('vote', { replicas: 3 }, true);
  t.deepEqual(w.step(), ['create vote.2 t3', 'create vote.3 t4']);
  t.deepEqual(w.step(), []);
  w.obey();
  t.deepEqual(w.step(), ['stop t1 updated']);
});

test('of two tasks in one slot the better one is kept', (t) => {
  const w = world();
  w.settle();
  const [first] = w.tasks;
  if (!first) return t.fail();
  w.tasks.push({ ...first, id: 'double', createdAt: new Date(EPOCH + 1).toISOString() });
  t.deepEqual(w.step(), ['stop double surplus']);
  w.obey();
  t.deepEqual(w.step(), []);
  w.tasks.push({ ...first, id: 'serving', createdAt: new Date(EPOCH + 2).toISOString() });
  w.mark('t1', { state: 'starting' });
  t.deepEqual(w.step(), ['stop t1 surplus']);
});

/** What may happen to a world of one service. */
const event = fc.oneof(
  fc.record({ type: fc.constant('pass' as const), time: fc.integer({ min: 1, max: 40_000 }) }),
  fc.record({ type: fc.constant('scale' as const), replicas: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ type: fc.constant('update' as const) }),
  fc.record({ type: fc.constant('die' as const), which: fc.nat(20), state: fc.constantFrom('failed' as const, 'complete' as const) }),
  fc.record({ type: fc.constant('advance' as const), which: fc.nat(20) }),
  fc.record({ type: fc.constant('forgetful' as const) }),
);

test('whatever happens: one task per slot, at most one being replaced by an update, and in the end all is as asked', (t) => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const w = world({ replicas: 3 });
      const updated = new Set<string>();
      for (const happens of events) {
        const live = w.tasks.filter((task) => !isEnded(task));
        const target = 'which' in happens ? live[happens.which % Math.max(1, live.length)] : undefined;
        if (happens.type === 'pass') w.now += happens.time;
        if (happens.type === 'scale') w.update('vote', { replicas: happens.replicas }, false);
        if (happens.type === 'update') w.update('vote', {}, true);
        if (happens.type === 'forgetful') w.memory = new Map();
        if (happens.type === 'die' && target) w.mark(target.id, { state: happens.state });
        if (happens.type === 'advance' && target) w.mark(target.id, { state: target.desired === 'shutdown' ? 'shutdown' : target.status.state === 'pending' ? 'starting' : 'running' });
        const actions = w.step();
        for (const action of actions) if (action.endsWith(' updated')) updated.add(action.split(' ')[1] ?? '');
        const alive = w.tasks.filter((task) => !isEnded(task));
        // A task that an update had stopped, and whose slot was scaled away since, is no longer being replaced.
        const replicas = w.services[0]?.spec.replicas ?? 0;
        if (alive.filter(({ id, slot }) => updated.has(id) && slot <= replicas).length > 1) return t.fail(actions.join(', '));
        const slots = alive.map(({ slot }) => slot);
        if (new Set(slots).size !== slots.length) return t.fail(`slots ${slots.join()} after ${actions.join(', ')}`);
        if (w.tasks.filter(isEnded).length > KEEP_ENDED * 5 + 5) return t.fail('records pile up');
      }
      for (let rounds = 0; rounds < 20; rounds++) {
        w.settle();
        if (w.wakeAt === undefined) break;
        w.now = w.wakeAt;
      }
      const [service] = w.services;
      const running = w.tasks.filter((task) => task.status.state === 'running').map(({ slot, version }) => `${slot} v${version}`);
      t.deepEqual(running.sort(), Array.from({ length: service?.spec.replicas ?? 0 }, (_, i) => `${i + 1} v${service?.version}`));
      return true;
    }),
    { numRuns: 300 },
  );
});
