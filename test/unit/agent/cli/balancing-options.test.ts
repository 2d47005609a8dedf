import test from 'ava';
import { balancingOf } from '../../../../agent/cli/commands/balancing-options.js';
import { UsageError } from '../../../../agent/cli/command.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import type { BalancingSpec } from '../../../../overlay/model/spec.js';

const BEFORE: BalancingSpec = {
  ...DEFAULT_BALANCING, scheduler: 'wrr', weight: 2, slotWeights: { 1: 5, 9: 7 }, affinity: 'client-ip', affinityTimeout: 60_000, maxConns: 8, drainTimeout: 3000,
  timeouts: { ...DEFAULT_BALANCING.timeouts, udp: 120_000 },
};

test('nothing said is nothing sent; a create sends what was said', (t) => {
  t.is(balancingOf({}, 1), undefined);
  t.deepEqual(balancingOf({ scheduler: 'mh', endpointWeight: [{ weight: 3 }, { slot: 2, weight: 0 }], flowTimeout: [{ udp: 1, icmp: 2 }, { udp: 3 }], drainTimeout: 0, ejectAfter: 0 }, 2), {
    scheduler: 'mh', weight: 3, slotWeights: { 2: 0 }, timeouts: { udp: 3, icmp: 2 }, drainTimeout: 0, ejectAfter: 0,
  });
});

test('an update changes what it names and nothing else', (t) => {
  t.deepEqual(balancingOf({}, 1, BEFORE), BEFORE);
  t.deepEqual(balancingOf({ prefer: 'local', slowStart: 5, ejectFor: 6, maxConns: 0 }, 1, BEFORE), { ...BEFORE, prefer: 'local', slowStart: 5, ejectFor: 6, maxConns: 0 });
  t.deepEqual(balancingOf({ flowTimeout: [{ icmp: 90_000 }] }, 1, BEFORE), { ...BEFORE, timeouts: { ...BEFORE.timeouts, icmp: 90_000 } });
  t.deepEqual(balancingOf({ endpointWeight: [{ slot: 2, weight: 0 }] }, 2, BEFORE), { ...BEFORE, slotWeights: { 1: 5, 2: 0, 9: 7 } });
  t.deepEqual(balancingOf({ endpointWeight: [{ weight: 1 }], scheduler: 'rr' }, 2, BEFORE), { ...BEFORE, scheduler: 'rr', weight: 1, slotWeights: {} });
});

test('affinity: its time is kept while there is one, and forgotten with it', (t) => {
  t.deepEqual(balancingOf({ affinity: { affinity: 'client-ip' } }, 1, BEFORE), BEFORE);
  t.deepEqual(balancingOf({ affinity: { affinity: 'client-ip', affinityTimeout: 1000 } }, 1, BEFORE), { ...BEFORE, affinityTimeout: 1000 });
  const { affinityTimeout: _gone, ...rest } = BEFORE;
  t.deepEqual(balancingOf({ affinity: { affinity: 'none' } }, 1, BEFORE), { ...rest, affinity: 'none' });
});

test('the drain time can be the default again', (t) => {
  const { drainTimeout: _gone, ...rest } = BEFORE;
  t.deepEqual(balancingOf({ drainTimeout: 'default' }, 1, BEFORE), rest);
  t.deepEqual(balancingOf({ drainTimeout: 0 }, 1, BEFORE), { ...BEFORE, drainTimeout: 0 });
});

test('a replica that is given a weight is one of the service; those of before may wait for theirs', (t) => {
  t.throws(() => balancingOf({ endpointWeight: [{ slot: 3, weight: 1 }] }, 2), {
    instanceOf: UsageError,
    message: '--endpoint-weight: replica 3 is given a weight, and there are 2 replicas: name a replica from 1 to 2',
  });
  t.notThrows(() => balancingOf({ endpointWeight: [{ slot: 2, weight: 1 }] }, 2, BEFORE));
});
