import test from 'ava';
import { verdictOn, type Verdict } from '../../../../agent/reconcile/adoption.js';
import type { TaskObject, TaskState } from '../../../../overlay/model/object.js';

const NODE = 'here';

function task(state: TaskState, more: Partial<TaskObject> = {}): TaskObject {
  return { id: 'aaaabbbbcccc', name: 'vote.1.aaaabbbbcccc', serviceId: 's1', node: NODE, desired: 'running', status: { state, since: '', health: 'none' }, ...more } as TaskObject;
}

const oneOff = (state: TaskState): TaskObject => {
  const { serviceId: _, ...rest } = task(state);
  return rest;
};

test('what an agent that starts does about each task', (t) => {
  const cases: [TaskObject, survived: Verdict, gone: Verdict][] = [
    ...(['pending', 'starting', 'running'] as const).map((state): [TaskObject, Verdict, Verdict] => [task(state), 'adopt', 'start']),
    // Killed between telling a task to stop and its end: it is adopted, and stopped in order.
    [task('stopping', { desired: 'shutdown' }), 'adopt', 'stopped'],
    [task('running', { desired: 'shutdown' }), 'adopt', 'stopped'],
    [task('running', { node: 'elsewhere' }), 'retire', 'moved'],
    [task('running', { node: 'elsewhere', desired: 'shutdown' }), 'retire', 'stopped'],
    [oneOff('running'), 'forget', 'forget'],
    [task('failed'), 'leave', 'leave'],
    [oneOff('complete'), 'leave', 'leave'],
  ];
  for (const [object, survived, gone] of cases) {
    const name = `${object.serviceId ?? 'one-off'} ${object.status.state} ${object.desired} ${object.node}`;
    t.is(verdictOn(object, true, NODE), survived, name);
    t.is(verdictOn(object, false, NODE), gone, name);
  }
});
