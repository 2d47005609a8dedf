import test from 'ava';
import { SlowStart } from '../../../../proxy/sched/slow-start.js';

const taken = (slow: SlowStart, index: number, elapsed: number, offers: number): boolean[] =>
  Array.from({ length: offers }, () => slow.takes(index, elapsed, 100));

function fresh(): SlowStart {
  const slow = new SlowStart();
  slow.resize(3);
  return slow;
}

test('takes exactly its part of the offers, evenly spread', (t) => {
  for (const percent of [10, 25, 30, 50, 75, 90]) {
    const takes = taken(fresh(), 1, percent, 1000);
    t.true(Math.abs(takes.filter(Boolean).length - 10 * percent) <= 1, `${percent} %`);
    for (let at = 0; at + 20 <= takes.length; at += 20) {
      const here = takes.slice(at, at + 20).filter(Boolean).length;
      t.true(Math.abs(here - percent / 5) <= 1, `${percent} %: ${here} of 20`);
    }
  }
});

test('a tenth from the first moment, all at the end and later', (t) => {
  t.is(taken(fresh(), 0, 0, 100).filter(Boolean).length, 10);
  t.is(taken(fresh(), 0, -5, 100).filter(Boolean).length, 10, 'a clock that another worker read a little later');
  t.true(taken(fresh(), 0, 100, 50).every(Boolean));
  t.true(taken(fresh(), 0, 5000, 50).every(Boolean));
});

test('each endpoint has its own credit', (t) => {
  const slow = fresh();
  const first = taken(slow, 0, 50, 4);
  t.deepEqual(taken(slow, 2, 50, 4), first);
});
