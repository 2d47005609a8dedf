import test from 'ava';
import { ownerOf } from '../../../../proxy/flow/owner.js';

test('ports are owned in pairs, round the workers', (t) => {
  t.deepEqual([0, 1, 2, 3, 4, 5, 6, 7].map((port) => ownerOf(port, 3)), [0, 0, 1, 1, 2, 2, 0, 0]);
  t.is(ownerOf(65_535, 4), 3);
  for (let port = 0; port < 65_536; port += 97) t.is(ownerOf(port, 1), 0);
});

test('ports of one parity alone are spread evenly', (t) => {
  for (const parity of [0, 1]) {
    const counts = [0, 0, 0];
    for (let port = 32_768 + parity; port < 32_768 + 6000; port += 2) counts[ownerOf(port, 3)]! += 1;
    t.deepEqual(counts, [1000, 1000, 1000]);
  }
});
