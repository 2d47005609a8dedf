import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import test from 'ava';
import { EJECTED_UNTIL, EndpointStats, FAILURES, JOINED_AT } from '../../../../proxy/sched/stats.js';

test('counts flows by row: opened, moved, closed', (t) => {
  const stats = new EndpointStats(EndpointStats.allocate(4));
  stats.opened(3, true);
  stats.opened(3, true);
  stats.opened(3, false);
  stats.moved(3, false);
  t.deepEqual([stats.active(3), stats.inactive(3)], [1, 2]);
  stats.moved(3, true);
  stats.closed(3, false);
  t.deepEqual([stats.active(3), stats.inactive(3)], [2, 0]);
  t.deepEqual([stats.active(2), stats.inactive(2)], [0, 0]);
  t.false(stats.isIdle(3));
  stats.closed(3, true);
  stats.closed(3, true);
  t.true(stats.isIdle(3));
  t.deepEqual([stats.total(3), stats.total(2)], [3, 0], 'all that ever began');
  stats.reset(3);
  t.is(stats.total(3), 0);
});

test('a count is never less than 0', (t) => {
  const stats = new EndpointStats(EndpointStats.allocate(1));
  stats.moved(0, true);
  t.deepEqual([stats.active(0), stats.inactive(0)], [1, 0]);
  stats.closed(0, true);
  stats.closed(0, true);
  t.deepEqual([stats.active(0), stats.inactive(0)], [0, 0]);
});

test('all who have the buffer see the same, and none writes beside a row', (t) => {
  const buffer = EndpointStats.allocate(2);
  const [one, other] = [new EndpointStats(buffer), new EndpointStats(buffer)];
  one.opened(0, true);
  one.opened(1, false);
  other.opened(1, false);
  t.deepEqual([other.active(0), other.inactive(0), one.active(1), one.inactive(1)], [1, 0, 0, 2]);
  one.lock();
  one.unlock();
  other.lock();
  other.unlock();
  other.reset(1);
  t.deepEqual([one.active(0), one.inactive(1)], [1, 0]);
});

test('private rows: of one worker, zero when taken, taken again when they are idle', (t) => {
  const buffer = EndpointStats.allocate(2);
  const [one, other] = [new EndpointStats(buffer), new EndpointStats(buffer)];
  const rows = Array.from({ length: 40 }, () => one.take());
  t.is(new Set(rows).size, 40);
  t.true(rows.every((row) => row >= 2));
  rows.forEach((row, i) => {
    one.opened(row, true);
    one.store(row, FAILURES, i);
  });
  t.deepEqual(rows.map((row) => one.load(row, FAILURES)), rows.map((_, i) => i), 'growing moved them');
  t.is(other.active(other.take()), 0);

  one.release(rows[7]!);
  one.release(rows[8]!);
  one.closed(rows[8]!, true);
  t.is(one.take(), rows[8]!);
  t.is(one.load(rows[8]!, FAILURES), 0);
  t.false(rows.includes(one.take()), 'the other has a flow yet');
});

test('the first value stays, in a shared row and in a private one', (t) => {
  const stats = new EndpointStats(EndpointStats.allocate(1));
  for (const row of [0, stats.take()]) {
    stats.initialize(row, JOINED_AT, 70);
    stats.initialize(row, JOINED_AT, 90);
    t.is(stats.load(row, JOINED_AT), 70);
    t.is(stats.increment(row, EJECTED_UNTIL), 1);
    t.is(stats.increment(row, EJECTED_UNTIL), 2);
  }
});

test('sizes that are none are refused', (t) => {
  for (const rows of [-1, 1.5, 2 ** 24 + 1]) t.throws(() => EndpointStats.allocate(rows), { instanceOf: RangeError });
});

test('two threads that count at the same time lose nothing, and the lock keeps them apart', async (t) => {
  const buffer = EndpointStats.allocate(1);
  const plain = new Int32Array(new SharedArrayBuffer(4));
  const script = `
    const { workerData } = require('node:worker_threads');
    import(workerData.module).then(({ EndpointStats }) => {
      const stats = new EndpointStats(workerData.buffer);
      const plain = new Int32Array(workerData.plain);
      for (let i = 0; i < 50_000; i++) {
        stats.opened(0, true);
        stats.moved(0, false);
        stats.lock();
        plain[0]++;
        stats.unlock();
      }
    });`;
  const workerData = { buffer, plain: plain.buffer, module: new URL('../../../../proxy/sched/stats.js', import.meta.url).href };
  const workers = [1, 2].map(() => new Worker(script, { eval: true, workerData }));
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  const stats = new EndpointStats(buffer);
  t.deepEqual([stats.active(0), stats.inactive(0), plain[0]], [0, 100_000, 100_000]);
});
