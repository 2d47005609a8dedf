import test from 'ava';
import { fuzzDns } from '../../../fuzz/dns.js';

test('a short run of the fuzzer finds nothing, and reaches every outcome', async (t) => {
  const outcomes = await fuzzDns(20250101, 4000);
  t.log(outcomes);
  for (const outcome of ['none', 'rcode0', 'rcode1', 'rcode3', 'rcode4', 'forwarded0', 'forwarded2', 'cutUpstream']) {
    t.true((outcomes[outcome] ?? 0) > 0, `${outcome} was not reached`);
  }
});

test('the same seed gives the same run', async (t) => {
  t.deepEqual(await fuzzDns(5, 300), await fuzzDns(5, 300));
});
