import test from 'ava';
import { answeredSince, countFailure, countSuccess, ejectionLeft, isEjected } from '../../../../proxy/sched/outlier.js';
import { EJECTIONS, EndpointStats } from '../../../../proxy/sched/stats.js';

const RULE = { after: 3, length: 300 };

/** A service of endpoints with these weights. */
function service(...weights: readonly number[]) {
  const stats = new EndpointStats(EndpointStats.allocate(256));
  const rows = Int32Array.from(weights, (_, i) => 2 * i + 1);
  const fail = (index: number, now: number, times = RULE.after): boolean => {
    let ejected = false;
    for (let i = 0; i < times; i++) ejected = countFailure(stats, index, rows, Int32Array.from(weights), RULE, now) || ejected;
    return ejected;
  };
  return {
    stats,
    fail,
    succeed: (index: number, now = 0) => countSuccess(stats, rows[index]!, now),
    answered: (index: number, time: number) => answeredSince(stats, rows[index]!, time),
    ejected: (now: number) => weights.flatMap((_, i) => (isEjected(stats, rows[i]!, now) ? [i] : [])),
    left: (index: number, now: number) => ejectionLeft(stats, rows[index]!, now),
    ejections: (index: number) => stats.load(rows[index]!, EJECTIONS),
  };
}

test('failures in a row eject, and a success between them counts them anew', (t) => {
  const { fail, succeed, ejected, left } = service(1, 1, 1);
  t.false(fail(1, 100, 2));
  succeed(1);
  t.false(fail(1, 101, 2));
  t.deepEqual(ejected(101), []);
  t.true(fail(1, 102, 1));
  t.deepEqual(ejected(102), [1]);
  t.deepEqual(ejected(401), [1]);
  t.deepEqual(ejected(402), []);
  t.deepEqual([102, 401, 402, 1000].map((now) => left(1, now)), [300, 1, 0, 0]);
  t.is(left(0, 102), 0);
});

test('the n-th ejection lasts n times as long, and a quiet while makes n less', (t) => {
  const { fail, ejected } = service(1, 1);
  t.true(fail(0, 0));
  t.deepEqual(ejected(299), [0]);
  t.deepEqual(ejected(300), []);
  t.false(fail(0, 300, 2), 'back with a clean sheet');
  t.true(fail(0, 300, 1));
  t.deepEqual(ejected(899), [0], 'twice as long');
  t.deepEqual(ejected(900), []);
  t.true(fail(0, 1100));
  t.deepEqual(ejected(1100 + 899), [0], 'three times');
  t.deepEqual(ejected(2000), []);
  t.true(fail(0, 2000 + 2 * 300), 'after two quiet times: 3 - 2 + 1');
  t.deepEqual(ejected(2600 + 599), [0]);
  t.deepEqual(ejected(2600 + 600), []);
  t.true(fail(0, 100_000));
  t.deepEqual(ejected(100_300), [], 'all forgotten');
});

test('what an endpoint answered is known to the decisecond: after a time is after it', (t) => {
  const { succeed, answered } = service(1, 1);
  t.false(answered(0, 0));
  succeed(0, 100);
  succeed(0, 105);
  t.deepEqual([99, 104, 105, 106].map((time) => answered(0, time)), [true, true, false, false]);
  t.false(answered(1, 99));
});

test('failures during the ejection change nothing', (t) => {
  const { fail, ejected, ejections } = service(1, 1);
  t.true(fail(0, 0));
  t.false(fail(0, 10, 50));
  t.is(ejections(0), 1);
  t.deepEqual(ejected(300), []);
  t.false(fail(0, 300, 2));
});

test('a tenth of the endpoints at most, but one', (t) => {
  const few = service(...new Array<number>(9).fill(1));
  t.deepEqual([few.fail(0, 0), few.fail(1, 0)], [true, false]);
  t.true(few.fail(1, 300, 1), 'its failures were counted: the next one ejects it when there is room');

  const many = service(...new Array<number>(39).fill(1));
  t.deepEqual([0, 1, 2, 3].map((i) => many.fail(i, 0)), [true, true, true, false]);
});

test('never the last one that takes flows', (t) => {
  t.false(service(1).fail(0, 0));
  t.false(service(1, 0, 0).fail(0, 0), 'the others drain');
  const pair = service(1, 1, 0);
  t.true(pair.fail(0, 0));
  t.false(pair.fail(1, 0));
  t.deepEqual(pair.ejected(1), [0]);
  const thirty = service(...new Array<number>(28).fill(0), 1, 1);
  t.true(thirty.fail(28, 0));
  t.false(thirty.fail(29, 0), 'there were two more in the tenth');
});
