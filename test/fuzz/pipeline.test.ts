import test from 'ava';
import { fuzzPipeline } from './pipeline.js';

const SEED = 20_260;

test('30,000 inputs', (t) => {
  const outcomes = fuzzPipeline(SEED, 30_000);
  t.is(outcomes.receivedPackets, 30_000);
  // Otherwise the fuzzer would not get far into the code.
  const reached = ['forwardedPackets', 'repliedEcho', 'refusedNoEndpoint', 'refusedNoFlow', 'refusedEndpointGone', 'flowsExpired', 'flowsEvicted', 'flowsEnded', 'droppedIcmpUnmatched', 'droppedMartianSource', 'droppedEndpointGone'];
  for (const name of reached) t.true((outcomes[name] ?? 0) > 0, name);
});
