import test from 'ava';
import { RoundRobin } from '../../../../proxy/sched/rr.js';
import { OPEN_GATE } from '../../../../proxy/sched/scheduler.js';
import { endpoints, picks, refusing, schedulerContract } from '../../../contract/scheduler.js';

schedulerContract(test, 'rr', { weighted: false, tolerance: 0 });

test('each in turn, in order, whatever the weights', (t) => {
  const list = endpoints(1, 9, 0, 1);
  const scheduler = new RoundRobin();
  scheduler.update(list);
  t.deepEqual(picks(scheduler, list, 7), ['task0', 'task1', 'task3', 'task0', 'task1', 'task3', 'task0']);
});

test('one that is refused is passed over, and its turn goes to the next', (t) => {
  const list = endpoints(1, 1, 1);
  const scheduler = new RoundRobin();
  scheduler.update(list);
  t.deepEqual(picks(scheduler, list, 4, refusing(1)), ['task0', 'task2', 'task0', 'task2']);
  t.deepEqual(picks(scheduler, list, 2), ['task0', 'task1']);
});

test('a change goes on where the turn was', (t) => {
  const [a, b, c, d] = endpoints(1, 1, 1, 1) as [never, never, never, never];
  const scheduler = new RoundRobin();
  scheduler.update([a, b, c]);
  t.deepEqual(picks(scheduler, [a, b, c], 2), ['task0', 'task1']);
  scheduler.update([a, b, c]);
  t.deepEqual(picks(scheduler, [a, b, c], 1), ['task2'], 'the same endpoints');
  scheduler.update([a, b, c, d]);
  t.deepEqual(picks(scheduler, [a, b, c, d], 2), ['task0', 'task1'], 'one more');
  scheduler.update([a, d]);
  t.deepEqual(picks(scheduler, [a, d], 2), ['task3', 'task0'], 'the one whose turn was next has gone');
  scheduler.update([b, c]);
  t.deepEqual(picks(scheduler, [b, c], 2), ['task1', 'task2'], 'all have');
});

test('updates between all picks do not favour the first', (t) => {
  const list = endpoints(1, 1, 1);
  const scheduler = new RoundRobin();
  const counts = [0, 0, 0];
  for (let i = 0; i < 300; i++) {
    scheduler.update([...list]);
    counts[scheduler.pick(0, 0, OPEN_GATE)]! += 1;
  }
  t.deepEqual(counts, [100, 100, 100]);
});
