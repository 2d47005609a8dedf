import test from 'ava';
import { OPEN_GATE } from '../../../../proxy/sched/scheduler.js';
import { SourceHashing } from '../../../../proxy/sched/sh.js';
import { clientOf, endpoints, schedulerContract } from '../../../contract/scheduler.js';
import { checkHashVector } from './hash-picks.js';
import { HASH_VECTORS } from './ipvs-vectors.js';

schedulerContract(test, 'sh', { weighted: true, tolerance: 250 });

for (const vector of HASH_VECTORS) {
  test(`picks what the kernel picks: ${vector.name}`, (t) => checkHashVector(t, vector, vector.sh, (flags) => new SourceHashing(flags)));
}

test('a client goes to the same endpoint with every port, or with the flag not', (t) => {
  const list = endpoints(1, 1, 1, 1);
  for (const port of [false, true]) {
    const scheduler = new SourceHashing({ port });
    scheduler.update(list);
    const picked = new Set(Array.from({ length: 200 }, (_, i) => scheduler.pick(clientOf(1), 1024 + i, OPEN_GATE)));
    t.is(picked.size, port ? 4 : 1);
  }
});

test('more endpoints than buckets: those behind get none, as in the kernel', (t) => {
  const scheduler = new SourceHashing();
  scheduler.update(endpoints(...new Array<number>(300).fill(1)));
  const picked = new Set(Array.from({ length: 20_000 }, (_, i) => scheduler.pick(clientOf(i), 0, OPEN_GATE)));
  t.is(picked.size, 256);
  t.true([...picked].every((index) => index < 256));
});
