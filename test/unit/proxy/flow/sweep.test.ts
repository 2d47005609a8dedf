import test from 'ava';
import { State } from '../../../../proxy/flow/slot.js';
import { FlowSweep } from '../../../../proxy/flow/sweep.js';
import { FlowTable } from '../../../../proxy/flow/table.js';

const KIND = 17 << 8;

function filled(count: number): FlowTable {
  const table = new FlowTable(FlowTable.allocate(1000), { hashKey: [1, 2] });
  for (let n = 1; n <= count; n++) table.insert(KIND, State.udp, n, 1, n, 2, n, 1, 1);
  return table;
}

/** All answers until the sweep is over, the last one not included. */
function rest(sweep: FlowSweep): number[] {
  const answers: number[] = [];
  for (let answer = sweep.next(); answer !== 0; answer = sweep.next()) answers.push(answer);
  return answers;
}

test('each live flow once, and at most so many slots in a step', (t) => {
  const table = filled(10);
  for (const slot of [2, 3, 4, 5, 6, 10]) table.remove(slot);
  const sweep = new FlowSweep(table, 2);
  t.is(sweep.next(), 0, 'there is no sweep before the first start');
  sweep.start();
  t.deepEqual(rest(sweep), [1, -1, -1, 7, 8, 9]);
  t.is(sweep.next(), 0, 'over is over');
});

test('a flow may be ended as it is met, and one that begins later is left out beyond the end', (t) => {
  const table = filled(6);
  const sweep = new FlowSweep(table);
  sweep.start();
  for (const expected of [1, 2, 3]) {
    t.is(sweep.next(), expected);
    table.remove(expected);
  }
  // The slots of 3 and 2 come again, behind the cursor; then a new one beyond the end.
  for (const n of [21, 22, 23, 24]) table.insert(KIND, State.udp, n, 1, n, 2, n, 1, 1);
  t.is(table.highWater, 7);
  t.deepEqual(rest(sweep), [4, 5, 6]);
});

test('start begins anew, in the middle too', (t) => {
  const sweep = new FlowSweep(filled(3));
  sweep.start();
  sweep.next();
  sweep.start();
  t.deepEqual(rest(sweep), [1, 2, 3]);
});

test('an empty table is swept at once', (t) => {
  const sweep = new FlowSweep(filled(0));
  sweep.start();
  t.is(sweep.next(), 0);
});
