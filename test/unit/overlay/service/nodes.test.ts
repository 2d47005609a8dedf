/** What becomes of tasks when nodes go, come back, are drained, or no longer fulfil what a service asks of them. */
import test from 'ava';
import fc from 'fast-check';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { DEFAULT_UPDATE } from '../../../../overlay/model/updates.js';
import { isEnded, isServing } from '../../../../overlay/model/task-state.js';
import { NODE_GRACE } from '../../../../overlay/service/placement.js';
import { placementNode, SmallWorld } from './small-world.js';

function world(nodes: string[], more: Partial<ServiceSpec> = {}): SmallWorld {
  const made = new SmallWorld();
  made.nodes = nodes.map((name) => placementNode(name));
  made.add('vote', more);
  return made;
}

const startFirst = { update: { ...DEFAULT_UPDATE, order: 'start-first' as const } };

test('creations of one pass see each other, those of other services too', (t) => {
  const w = world(['a', 'b'], { replicas: 3 });
  w.add('other', { replicas: 2 });
  w.step();
  t.is(w.where('vote'), '1:a 2:b 3:a');
  t.is(w.where('other'), '1:b 2:a', 'b has fewer tasks in all');
});

test('a node that is down keeps its tasks for the grace; then others are made elsewhere, and it is told to stop its own when it is back', (t) => {
  const w = world(['a', 'b'], { replicas: 2 });
  w.settle();
  w.node('b', { up: false, downSince: w.now });
  t.deepEqual(w.step(), []);
  t.is(w.wakeAt, w.now + NODE_GRACE);
  t.deepEqual(w.step(NODE_GRACE - 1), []);
  t.deepEqual(w.step(1), ['stop t2 node-down', 'create vote.2 t3']);
  t.is(w.where('vote'), '1:a 2:a');
  t.deepEqual(w.settle(), [], 't2 has not ended, as far as is known, and nobody waits for it');
  t.deepEqual(w.step(3_600_000), []);
  w.node('b', { up: true });
  t.deepEqual(w.step(), []);
  w.obey();
  t.is(w.tasks.find(({ id }) => id === 't2')?.status.state, 'shutdown');
  t.deepEqual(w.step(), [], 'what was made elsewhere stays there');
});

test('a node that is back within the grace has what it had', (t) => {
  const w = world(['a', 'b'], { replicas: 2 });
  w.settle();
  w.node('b', { up: false, downSince: w.now });
  t.deepEqual(w.step(10_000), []);
  w.node('b', { up: true });
  t.deepEqual(w.step(60_000), []);
  t.is(w.where('vote'), '1:a 2:b');
});

test('a service with which all is well is not looked at again until something of it changes, or a node', (t) => {
  const w = world(['a', 'b'], { replicas: 2 });
  w.add('other');
  w.settle();
  const before = w.memory.get('vote');
  w.step(3_600_000);
  t.is(w.memory.get('vote'), before);
  w.mark(w.live('other', 1).id, { health: 'healthy' });
  w.step();
  t.is(w.memory.get('vote'), before);
  w.node('b', { labels: { zone: 'x' } });
  w.step();
  t.not(w.memory.get('vote'), before);
});

test('a replacement is made whatever the restart policy says; a node that nobody knows is left alone', (t) => {
  const w = world(['a', 'b'], { replicas: 2, restart: { condition: 'none', delay: 0 } });
  w.settle();
  w.node('b', { up: false, downSince: w.now });
  t.deepEqual(w.step(NODE_GRACE), ['stop t2 node-down', 'create vote.2 t3']);
  w.nodes = [placementNode('c')];
  t.deepEqual(w.step(3_600_000), []);
});

test('no node will do: the problem is told, and creation is tried again at the next look', (t) => {
  const w = world(['a'], { placement: { constraints: ['node.labels.zone==x'], preferences: [] } });
  t.deepEqual(w.step(), []);
  t.deepEqual([...w.problems], [['vote', "no suitable node for service 'vote' (1 node does not fulfil node.labels.zone==x): have a node that is up, active and fulfils the constraints, or change these"]]);
  w.node('a', { labels: { zone: 'x' } });
  t.deepEqual(w.step(), ['create vote.1 t1']);
  t.is(w.problems.size, 0);
});

test('drain, stop-first: one slot at a time, the next when the one before serves elsewhere', (t) => {
  const w = world(['a', 'b'], { replicas: 4 });
  w.settle();
  t.is(w.where('vote'), '1:a 2:b 3:a 4:b');
  w.node('a', { availability: 'drain' });
  t.deepEqual(w.step(), ['stop t1 drained']);
  t.deepEqual(w.step(), []);
  w.obey();
  t.deepEqual(w.step(), ['create vote.1 t5']);
  t.deepEqual(w.step(), [], 'it is on its way');
  w.obey();
  t.deepEqual(w.step(), ['stop t3 drained']);
  w.settle();
  t.is(w.where('vote'), '1:b 2:b 3:b 4:b');
  w.node('a', { availability: 'active' });
  t.deepEqual(w.settle(), [], 'nothing is moved back');
});

test('drain, stop-first: what does not serve goes at once, and a slot whose tasks die all the time holds nothing up', (t) => {
  const w = world(['a', 'b'], { replicas: 4, restart: { condition: 'any', delay: 60_000 } });
  w.settle();
  w.mark('t1', { state: 'starting' });
  w.node('a', { availability: 'drain' });
  t.deepEqual(w.step(), ['stop t1 drained']);
  w.settle();
  t.is(w.where('vote'), '1:b 2:b 3:b 4:b');
  w.node('a', { availability: 'active' });
  w.node('b', { availability: 'drain' });
  for (let i = 0; i < 2; i++) {
    w.step();
    w.mark(w.live('vote', 2).id, { state: 'failed' });
    w.step();
    w.step(120_000);
  }
  t.not(w.where('vote'), '1:b 2:b 3:b 4:b');
  w.settle();
  t.is(w.where('vote'), '1:a 2:a 3:a 4:a');
});

test('drain, start-first: all at once, each told to stop when its successor serves', (t) => {
  const w = world(['a', 'b'], { replicas: 3, ...startFirst });
  w.settle();
  w.node('a', { availability: 'drain' });
  t.deepEqual(w.step(), ['create vote.1 t4', 'create vote.3 t5']);
  t.deepEqual(w.step(), []);
  w.mark('t5', { state: 'running' });
  t.deepEqual(w.step(), ['stop t3 drained']);
  w.mark('t4', { state: 'failed' });
  t.deepEqual(w.step(), [], 'a successor that dies is restarted as any task; what it was to replace goes on');
  t.deepEqual(w.step(1000), ['create vote.1 t6']);
  w.obey();
  t.deepEqual(w.step(), ['stop t1 drained']);
  w.settle();
  t.is(w.where('vote'), '1:b 2:b 3:b');
});

test('drained with no other place: everything stops, as was asked for', (t) => {
  for (const more of [{}, startFirst]) {
    const w = world(['a'], { replicas: 2, ...more });
    w.settle();
    w.node('a', { availability: 'drain' });
    t.deepEqual(w.step(), ['stop t1 drained', 'stop t2 drained']);
    w.obey();
    t.deepEqual(w.step(), []);
    t.regex(w.problems.get('vote') ?? '', /1 node is drained/);
    w.node('a', { availability: 'active' });
    t.deepEqual(w.step(), ['create vote.1 t3', 'create vote.2 t4']);
  }
});

test('drained while the only other node is down, but not for long: tasks wait for it', (t) => {
  const w = world(['a', 'b'], { replicas: 1 });
  w.settle();
  w.node('b', { up: false, downSince: w.now });
  w.node('a', { availability: 'drain' });
  t.deepEqual(w.step(), ['stop t1 drained'], 'a service of one task has nothing to keep');
  const more = world(['a', 'b'], { replicas: 1, ...startFirst });
  more.settle();
  more.node('b', { up: false, downSince: more.now });
  more.node('a', { availability: 'drain' });
  t.deepEqual(more.step(), []);
  t.regex(more.problems.get('vote') ?? '', /1 node is drained, 1 node is down/);
  more.node('b', { up: true });
  t.deepEqual(more.step(), ['create vote.1 t2']);
});

test('a node that is paused keeps its tasks and gets none', (t) => {
  const w = world(['a', 'b'], { replicas: 2 });
  w.settle();
  w.node('a', { availability: 'pause' });
  t.deepEqual(w.step(), []);
  w.update('vote', { replicas: 4 }, false);
  w.settle();
  t.is(w.where('vote'), '1:a 2:b 3:b 4:b');
  w.mark('t1', { state: 'failed' });
  w.step();
  t.deepEqual(w.step(1000), ['create vote.1 t5']);
  t.is(w.where('vote'), '1:b 2:b 3:b 4:b');
});

test('constraints that a node fulfils no more: its tasks go to one that does', (t) => {
  const w = world(['a', 'b'], { replicas: 2, placement: { constraints: ['node.labels.zone==x'], preferences: [] } });
  for (const name of ['a', 'b']) w.node(name, { labels: { zone: 'x' } });
  w.settle();
  t.is(w.where('vote'), '1:a 2:b');
  w.node('a', { labels: {} });
  t.deepEqual(w.settle(), ['stop t1 misplaced', 'create vote.1 t3']);
  t.is(w.where('vote'), '1:b 2:b');
});

test('global: one task on each node that may have one', (t) => {
  const w = world(['a', 'b', 'c'], { mode: 'global', placement: { constraints: ['node.hostname!=c'], preferences: [] } });
  t.deepEqual(w.step(), ['create vote.0 t1', 'create vote.0 t2']);
  t.is(w.where('vote'), '0:a 0:b');
  w.nodes.push(placementNode('d'));
  t.deepEqual(w.settle(), ['create vote.0 t3']);
  w.mark('t1', { state: 'failed' });
  t.deepEqual(w.step(), []);
  t.deepEqual(w.step(1000), ['create vote.0 t4'], 'restarted as any task, on its node');
  t.is(w.where('vote'), '0:a 0:b 0:d');
});

test('global: drained nodes lose theirs, paused ones keep it, and one that was down too long begins anew', (t) => {
  const w = world(['a', 'b', 'c'], { mode: 'global' });
  w.settle();
  w.node('a', { availability: 'drain' });
  w.node('b', { availability: 'pause' });
  t.deepEqual(w.settle(), ['stop t1 drained']);
  w.node('c', { up: false, downSince: w.now });
  t.deepEqual(w.step(NODE_GRACE), ['stop t3 node-down']);
  t.deepEqual(w.step(), []);
  w.node('c', { up: true });
  t.deepEqual(w.settle(), ['create vote.0 t4']);
  t.is(w.where('vote'), '0:b 0:c');
  w.mark('t2', { state: 'failed' });
  t.deepEqual(w.step(60_000), [], 'and nothing is made on a node that is paused');
});

test('global: records of a node that was removed are forgotten', (t) => {
  const w = world(['a', 'b'], { mode: 'global' });
  w.settle();
  w.node('b', { availability: 'drain' });
  w.settle();
  w.nodes.pop();
  t.deepEqual(w.step(), ['forget t2']);
});

/** What may happen to three nodes and a service on them. */
const event = fc.oneof(
  fc.record({ type: fc.constant('pass' as const), time: fc.integer({ min: 1, max: 20_000 }) }),
  fc.record({ type: fc.constant('node' as const), which: fc.nat(2), up: fc.boolean(), availability: fc.constantFrom('active' as const, 'pause' as const, 'drain' as const) }),
  fc.record({ type: fc.constant('scale' as const), replicas: fc.integer({ min: 0, max: 7 }) }),
  fc.record({ type: fc.constant('update' as const) }),
  fc.record({ type: fc.constant('die' as const), which: fc.nat(20) }),
  fc.record({ type: fc.constant('obey' as const) }),
  fc.record({ type: fc.constant('forgetful' as const) }),
);

for (const order of ['stop-first', 'start-first'] as const) {
  test(`whatever happens to nodes, ${order}: in the end every slot serves once, where it may`, (t) => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 50 }), (events) => {
        const w = world(['a', 'b', 'c'], { replicas: 4, update: { ...DEFAULT_UPDATE, order, failureAction: 'continue' } });
        for (const happens of events) {
          const live = w.tasks.filter((task) => !isEnded(task));
          if (happens.type === 'pass') w.now += happens.time;
          if (happens.type === 'node') w.node('abc'.charAt(happens.which), { availability: happens.availability, up: happens.up, ...(!happens.up && { downSince: w.now }) });
          if (happens.type === 'scale') w.update('vote', { replicas: happens.replicas }, false);
          if (happens.type === 'update') w.updateTasks('vote');
          if (happens.type === 'die' && live.length > 0) w.mark(live[happens.which % live.length]?.id ?? '', { state: 'failed' });
          if (happens.type === 'obey') w.obey();
          if (happens.type === 'forgetful') w.memory = new Map();
          const before = w.tasks.length;
          w.step();
          for (const task of w.tasks.slice(before)) {
            const node = w.nodes.find(({ hostname }) => hostname === task.node);
            if (!node?.up || node.availability !== 'active') return t.fail(`${task.id} on ${task.node}`);
          }
        }
        for (const name of ['a', 'b', 'c']) w.node(name, { up: true, availability: name === 'a' ? 'drain' : 'active' });
        for (let rounds = 0; rounds < 30; rounds++) {
          w.settle();
          if (w.wakeAt === undefined) break;
          w.now = Math.max(w.now, w.wakeAt);
        }
        const [service] = w.services;
        const serving = w.tasks.filter(isServing);
        t.deepEqual(serving.map(({ slot }) => slot).sort(), Array.from({ length: service?.spec.replicas ?? 0 }, (_, i) => i + 1));
        t.true(serving.every(({ node, version }) => node !== 'a' && version === service?.version));
        return true;
      }),
      { numRuns: 200 },
    );
  });
}

for (const order of ['stop-first', 'start-first'] as const) {
  test(`drains and an update, in any order and at any pace: at most one task is missing, ${order}`, (t) => {
    const step = fc.oneof(
      fc.record({ type: fc.constant('obey' as const), which: fc.nat(20) }),
      fc.record({ type: fc.constant('drain' as const), which: fc.nat(1) }),
      fc.record({ type: fc.constant('activate' as const), which: fc.nat(1) }),
      fc.record({ type: fc.constant('update' as const) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), fc.array(step, { maxLength: 60 }), (replicas, steps) => {
        const w = world(['a', 'b', 'c'], { replicas, update: { ...DEFAULT_UPDATE, order } });
        w.settle();
        for (const happens of steps) {
          const busy = w.tasks.filter((task) => !isEnded(task) && !isServing(task));
          if (happens.type === 'obey') {
            const task = busy[happens.which % Math.max(1, busy.length)];
            if (task) w.mark(task.id, { state: task.desired === 'shutdown' ? 'shutdown' : 'running' });
          } else if (happens.type === 'update') w.updateTasks('vote');
          else w.node(happens.which === 0 ? 'a' : 'b', { availability: happens.type === 'drain' ? 'drain' : 'active' });
          w.step();
          const serving = w.tasks.filter(isServing).length;
          if (serving < (order === 'start-first' ? replicas : replicas - 1)) return t.fail(`${serving} of ${replicas} serve`);
        }
        return true;
      }),
      { numRuns: 300 },
    );
    t.pass();
  });
}

for (const order of ['stop-first', 'start-first'] as const) {
  test(`tasks of a service stay spread while it is scaled up and updated, ${order}`, (t) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }), fc.integer({ min: 0, max: 4 }), (count, steps, parallelism) => {
        const names = Array.from({ length: count }, (_, i) => `n${i}`);
        const w = world(names, { replicas: 0, update: { ...DEFAULT_UPDATE, order, parallelism } });
        let replicas = 0;
        for (const more of steps) {
          replicas += more;
          w.update('vote', { replicas }, false);
          w.settle();
          w.updateTasks('vote');
          w.settle();
          const counts = names.map((name) => w.tasks.filter((task) => isServing(task) && task.node === name).length);
          if (Math.max(...counts) - Math.min(...counts) > 1) return t.fail(w.where('vote'));
        }
        return true;
      }),
    );
    t.pass();
  });
}
