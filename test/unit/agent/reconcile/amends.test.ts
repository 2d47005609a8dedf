/** Where a store that was restored from a copy is wrong about the tasks of a node. */
import test from 'ava';
import { amends, type Known } from '../../../../agent/reconcile/amends.js';
import type { TaskObject, TaskState } from '../../../../overlay/model/object.js';

const task = (id: string, state: TaskState, node = 'one'): TaskObject => ({ id, node, status: { state } }) as unknown as TaskObject;
const NONE: Known = { told: () => undefined, begun: () => false };
const found = (tasks: TaskObject[], known: Partial<Known> = {}): string[] => amends(tasks, 'one', { ...NONE, ...known }).map(({ task: { id }, observed }) => `${id} ${observed.state}`);

test('a task that the store has as begun, and of which nothing is here, has ended', (t) => {
  t.deepEqual(found([task('a', 'starting'), task('b', 'running'), task('c', 'stopping')]), ['a shutdown', 'b shutdown', 'c shutdown']);
});

test('one that was begun here, has ended, and is to begin by the store, has ended', (t) => {
  t.deepEqual(found([task('a', 'pending')], { begun: () => true }), ['a shutdown']);
  t.deepEqual(found([task('a', 'pending')]), [], 'it is still to begin');
});

test('one that is further than the store has it is told again, with all that is known', (t) => {
  const told = { state: 'running', pid: 7, health: 'healthy' } as const;
  const [amend] = amends([task('a', 'pending')], 'one', { told: () => told, begun: () => true });
  t.deepEqual(amend?.observed, told);
});

test('nothing is amended that is right, ended, of another node, or was not told yet', (t) => {
  t.deepEqual(found([task('a', 'running')], { told: () => ({ state: 'running' }) }), []);
  t.deepEqual(found([task('a', 'shutdown'), task('b', 'complete'), task('c', 'failed'), task('d', 'running', 'two')]), []);
  t.deepEqual(found([task('a', 'running')], { told: () => 'nothing yet' }), []);
});
