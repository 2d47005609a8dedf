import test from 'ava';
import fc from 'fast-check';
import { OPEN_GATE, type Gate } from '../../../../proxy/sched/scheduler.js';
import { WeightedRoundRobin } from '../../../../proxy/sched/wrr.js';
import { endpoints, picks, refusing, schedulerContract } from '../../../contract/scheduler.js';
import { WRR_VECTORS } from './ipvs-vectors.js';

schedulerContract(test, 'wrr', { weighted: true, tolerance: 0 });

const indices = (scheduler: WeightedRoundRobin, count: number, gate: Gate = OPEN_GATE): number[] =>
  Array.from({ length: count }, () => scheduler.pick(0, 0, gate));

WRR_VECTORS.forEach((steps, n) => {
  test(`picks what the kernel picks, through changes and refusals: ${n + 1}`, (t) => {
    const scheduler = new WeightedRoundRobin();
    for (const { weights, refused, picks: expected } of steps) {
      scheduler.update(endpoints(...weights));
      t.deepEqual(indices(scheduler, expected.length, refusing(...refused)), expected, JSON.stringify({ weights, refused }));
    }
  });
});

test('a cycle: heavy ones first, the turns of the others in between', (t) => {
  const list = endpoints(4, 3, 2);
  const scheduler = new WeightedRoundRobin();
  scheduler.update(list);
  t.deepEqual(picks(scheduler, list, 9), ['task0', 'task0', 'task1', 'task0', 'task1', 'task2', 'task0', 'task1', 'task2']);
});

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

test('in a cycle of the sum of weights, divided, each has exactly its weight’s turns', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(60), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 1000 }), (weights, factor) => {
      const scaled = weights.map((weight) => weight * factor);
      const common = scaled.reduce(divisor, 0);
      if (common === 0) return;
      const scheduler = new WeightedRoundRobin();
      scheduler.update(endpoints(...scaled));
      for (let cycle = 0; cycle < 2; cycle++) {
        const counts = new Array<number>(weights.length).fill(0);
        for (const index of indices(scheduler, scaled.reduce((a, b) => a + b, 0) / common)) counts[index]! += 1;
        t.deepEqual(counts, scaled.map((weight) => weight / common));
      }
    }),
    { numRuns: 200 },
  );
});

test('the same endpoints and weights again change nothing', (t) => {
  const list = endpoints(3, 1, 2);
  const scheduler = new WeightedRoundRobin();
  const picked: number[] = [];
  for (let i = 0; i < 600; i++) {
    scheduler.update(list.map((endpoint) => ({ ...endpoint })));
    picked.push(scheduler.pick(0, 0, OPEN_GATE));
  }
  t.deepEqual([0, 1, 2].map((index) => picked.filter((other) => other === index).length), [300, 100, 200]);
});

test('a heavy endpoint that is refused costs no walk through all of its levels', (t) => {
  const scheduler = new WeightedRoundRobin();
  scheduler.update(endpoints(65_535, 1, 1));
  let asked = 0;
  const gate: Gate = { admits: (index) => (asked++, index !== 0) };
  t.deepEqual(indices(scheduler, 6, gate), [1, 2, 1, 2, 1, 2]);
  t.true(asked < 200, `asked ${asked} times`);
});
