import test from 'ava';
import { fuzzSim, runHistory } from './history.js';

const SEED = 1;
const PACKETS = 60_000;

test('200 short histories', (t) => {
  const sums = fuzzSim(SEED, PACKETS);
  // Otherwise the histories would not get far into the code.
  const reached = ['complete', 'reset', 'refused', 'answered', 'handedOver', 'flowsExpired', 'flowsEvicted', 'flowsEnded', 'emittedResets', 'connectFailures', 'endpointsEjected', 'refusedNoEndpoint', 'refusedNoFlow', 'refusedEndpointGone', 'fragmentsReassembled'];
  for (const name of reached) t.true((sums[name] ?? 0) > 0, name);
});

test('a seed is one history', (t) => {
  t.deepEqual(runHistory(7), runHistory(7));
});
