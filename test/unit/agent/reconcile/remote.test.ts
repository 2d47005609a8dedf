/** Tasks of other nodes, from what the store says of them. */
import test from 'ava';
import { remoteTasks } from '../../../../agent/reconcile/remote.js';
import type { TaskObject, TaskStatus } from '../../../../overlay/model/object.js';

function task(node: string, status: Partial<TaskStatus>, desired: TaskObject['desired'] = 'running'): TaskObject {
  return { id: `${node}-${status.state}`, node, desired, status: { since: '', health: 'none', ...status } } as TaskObject;
}

const everyone = new Set(['host1', 'host2', 'host3']);

test('a task elsewhere takes part when its node says that it runs, and it is meant to', (t) => {
  const one = (status: Partial<TaskStatus>, desired?: TaskObject['desired']) => {
    const [live] = remoteTasks([task('host2', status, desired)], 'host1', everyone);
    return live && [live.phase, live.healthy, live.listens, live.ready, live.remote];
  };
  t.deepEqual(one({ state: 'running' }), ['up', true, false, true, true]);
  t.deepEqual(one({ state: 'running', listens: true, health: 'healthy' }), ['up', true, true, true, true]);
  t.deepEqual(one({ state: 'running', health: 'unhealthy' }), ['up', false, false, true, true]);
  t.deepEqual(one({ state: 'running', health: 'starting' }), ['up', false, false, true, true]);
  t.deepEqual(one({ state: 'running' }, 'shutdown'), ['draining', true, false, true, true]);
  t.deepEqual(one({ state: 'stopping' }), ['draining', true, false, true, true]);
  t.deepEqual(one({ state: 'starting' }), ['draining', true, false, true, true]);
  for (const state of ['pending', 'complete', 'failed', 'shutdown'] as const) t.is(one({ state }), undefined, state);
});

test('neither this node\'s own, which it knows better, nor those of a node that is not there', (t) => {
  const tasks = [task('host1', { state: 'running' }), task('host2', { state: 'running' }), task('host3', { state: 'running' })];
  t.deepEqual(remoteTasks(tasks, 'host1', new Set(['host1', 'host2'])).map((live) => live.task.node), ['host2']);
});
