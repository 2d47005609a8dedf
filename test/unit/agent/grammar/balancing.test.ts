import test from 'ava';
import { combineWeights, parseAffinity, parseTimeouts, parseWeight } from '../../../../agent/grammar/balancing.js';
import { ValidationError } from '../../../../overlay/model/errors.js';

test('weights', (t) => {
  t.deepEqual(parseWeight('5'), { weight: 5 });
  t.deepEqual(parseWeight('12=0'), { slot: 12, weight: 0 });
  for (const bad of ['', 'x', '1=', '=1', '1=2=3', '-1', '1=-1', '1.5', 'a=1']) t.throws(() => parseWeight(bad), { instanceOf: ValidationError, message: /SLOT=WEIGHT/ }, bad);
});

test('a weight for all ends what there was for some; one for some leaves the others', (t) => {
  const before = { slotWeights: { 1: 9, 2: 8 } };
  t.deepEqual(combineWeights([], before), {});
  t.deepEqual(combineWeights([{ slot: 2, weight: 0 }, { slot: 3, weight: 4 }], before), { slotWeights: { 1: 9, 2: 0, 3: 4 } });
  t.deepEqual(combineWeights([{ slot: 2, weight: 5 }, { weight: 3 }], before), { weight: 3, slotWeights: { 2: 5 } });
  t.deepEqual(combineWeights([{ weight: 3 }, { weight: 4 }], before), { weight: 4, slotWeights: {} });
});

test('affinity', (t) => {
  t.deepEqual(parseAffinity('none'), { affinity: 'none' });
  t.deepEqual(parseAffinity('client-ip'), { affinity: 'client-ip' });
  t.deepEqual(parseAffinity('client-ip,timeout=1h30m'), { affinity: 'client-ip', affinityTimeout: 5_400_000 });
  for (const [bad, message] of [['cookie', /'cookie' is not one of none, client-ip/], ['none,timeout=1s', /not an affinity/], ['client-ip,time=1s', /not an affinity/], ['client-ip,timeout=1s,x', /not an affinity/], ['client-ip,timeout=1', /not a duration/]] as const) {
    t.throws(() => parseAffinity(bad), { instanceOf: ValidationError, message }, bad);
  }
});

test('time-outs', (t) => {
  t.deepEqual(parseTimeouts('udp=2m,icmp=60s'), { udp: 120_000, icmp: 60_000 });
  for (const [bad, message] of [['upd=1s', /'upd' is not one of established, transitory, closed, udp, icmp \(did you mean 'udp'\?\)/], ['udp', /write udp=DURATION/], ['udp=5', /not a duration/], ['', /not one of/], ['udp=5s,', /not one of/]] as const) {
    t.throws(() => parseTimeouts(bad), { instanceOf: ValidationError, message }, bad);
  }
});
