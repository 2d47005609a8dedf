/** Who waits for other nodes before a task ends, for how long, and what a node notes for those who wait. */
import test from 'ava';
import { Acknowledgements, haveApplied, isAcknowledged, nextNote, PATIENCE_MS, revisionToNote } from '../../../../agent/reconcile/acknowledgement.js';
import type { TaskObject } from '../../../../overlay/model/object.js';
import type { Alive, Applied } from '../../../../overlay/store/keys.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

function known(...nodes: string[]) {
  const revisions = new Map<string, number>();
  return {
    alive: new Map<string, Alive>(nodes.map((id) => [id, { since: '' }])),
    applied: new Map<string, Applied>(),
    tasks: new Map<string, TaskObject>(),
    taskRevision: (id: string) => revisions.get(id) ?? 0,
    put(id: string, node: string, state: string, desired: string, revision: number) {
      this.tasks.set(id, { id, node, desired, status: { state } } as unknown as TaskObject);
      revisions.set(id, revision);
    },
  };
}

/** Whether a promise has resolved by now. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  void promise.then(() => (done = true));
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return done;
}

test('a node notes the newest revision at which a task elsewhere was to take no new flow', (t) => {
  const mirror = known('a', 'b');
  t.is(revisionToNote(mirror, 'host1'), 0);
  mirror.put('t1', 'host2', 'running', 'running', 9);
  mirror.put('t2', 'host1', 'stopping', 'shutdown', 12);
  t.is(revisionToNote(mirror, 'host1'), 0, 'one that goes on, and one of its own');
  mirror.put('t3', 'host2', 'running', 'shutdown', 7);
  mirror.put('t4', 'host3', 'stopping', 'running', 8);
  mirror.put('t5', 'host3', 'shutdown', 'shutdown', 11);
  t.is(revisionToNote(mirror, 'host1'), 8, 'told to stop, stopping by itself; not what has ended');
});

test('what it notes of tasks is how far it is; of keys, by which it receives, and neither twice', (t) => {
  const noted = { revision: 5, keys: 3 };
  t.is(nextNote(noted, { leaving: 5, seen: 9, keys: 3 }), undefined);
  t.deepEqual(nextNote(noted, { leaving: 6, seen: 9, keys: 3 }), { revision: 9, keys: 3 });
  t.deepEqual(nextNote(noted, { leaving: 0, seen: 9, keys: 7 }), { revision: 5, keys: 7 });
  t.deepEqual(nextNote(noted, { leaving: 8, seen: 8, keys: 3 }), { revision: 8, keys: 3 }, 'keys of revision 7 came, and could not be applied');
  t.deepEqual(nextNote(noted, { leaving: 0, seen: 2, keys: 2 }), { revision: 5, keys: 2 }, 'the store was restored');
});

test('tasks and keys are waited for apart', (t) => {
  const applied = new Map<string, Applied>([['a', { revision: 9, keys: 4 }], ['b', { revision: 3, keys: 7 }]]);
  t.true(haveApplied(['b'], applied, 'keys', 7));
  t.false(haveApplied(['b'], applied, 'revision', 7));
  t.false(haveApplied(['a', 'b'], applied, 'keys', 7));
  t.false(haveApplied(['c'], applied, 'keys', 7));
  t.true(haveApplied([], applied, 'keys', 7));
});

test('every other node that lives is to have come so far', (t) => {
  const mirror = known('a', 'b', 'c');
  t.false(isAcknowledged(mirror, 'a', 5));
  mirror.applied.set('b', { revision: 5, keys: 0 });
  mirror.applied.set('c', { revision: 4, keys: 9 });
  t.false(isAcknowledged(mirror, 'a', 5));
  mirror.alive.delete('c');
  t.true(isAcknowledged(mirror, 'a', 5));
  t.true(isAcknowledged(known('a'), 'a', 5), 'there is nobody else');
});

test('a task waits for the others from the moment they were told, and no longer than it takes', async (t) => {
  const mirror = known('a', 'b');
  const clock = new FakeClock();
  const acknowledgements = new Acknowledgements(mirror, 'a', clock);
  mirror.put('t1', 'host1', 'running', 'running', 3);
  const waiting = acknowledgements.waitFor(mirror.tasks.get('t1')!, new AbortController().signal);
  mirror.applied.set('b', { revision: 5, keys: 0 });
  acknowledgements.look();
  t.false(await settled(waiting), 'nobody was told yet');
  mirror.put('t1', 'host1', 'stopping', 'running', 6);
  acknowledgements.look();
  t.false(await settled(waiting));
  mirror.applied.set('b', { revision: 6, keys: 0 });
  acknowledgements.look();
  t.true(await settled(waiting));
});

test('it waits no longer than its patience, its hurry, its end, and not at all where it is alone', async (t) => {
  const mirror = known('a', 'b');
  const clock = new FakeClock();
  const acknowledgements = new Acknowledgements(mirror, 'a', clock);
  mirror.put('t1', 'host1', 'running', 'shutdown', 3);
  const task = mirror.tasks.get('t1')!;
  const patient = acknowledgements.waitFor(task, new AbortController().signal);
  clock.advance(PATIENCE_MS - 1);
  t.false(await settled(patient));
  clock.advance(1);
  t.true(await settled(patient));

  const hurry = new AbortController();
  const hurried = acknowledgements.waitFor(task, hurry.signal);
  t.false(await settled(hurried));
  hurry.abort();
  t.true(await settled(hurried));
  t.true(await settled(acknowledgements.waitFor(task, hurry.signal)));

  const forgotten = acknowledgements.waitFor(task, new AbortController().signal);
  mirror.tasks.clear();
  acknowledgements.look();
  t.true(await settled(forgotten));
  mirror.alive.delete('b');
  t.true(await settled(acknowledgements.waitFor(task, new AbortController().signal)));
});
