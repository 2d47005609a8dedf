import test from 'ava';
import { policyOf, timeoutsOf } from '../../../../agent/reconcile/policy.js';
import { DEFAULT_BALANCING, LONGEST_TIMEOUT, SCHEDULERS } from '../../../../overlay/model/balancing.js';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import { SCHEDULER_NAMES } from '../../../../proxy/sched/schedulers.js';

test("the model's defaults are the data path's, and so are its schedulers", (t) => {
  t.deepEqual(policyOf(DEFAULT_BALANCING), DEFAULT_POLICY);
  t.deepEqual(timeoutsOf(DEFAULT_BALANCING), DEFAULT_TIMEOUTS);
  t.deepEqual([...SCHEDULERS].sort(), [...SCHEDULER_NAMES].sort());
});

test('every choice in the units of the data path', (t) => {
  const policy = policyOf({ ...DEFAULT_BALANCING, affinity: 'client-ip', affinityTimeout: 90_000, prefer: 'local', slowStart: 1500, maxConns: 7, ejectAfter: 3, ejectFor: 60_000 });
  t.deepEqual(policy, { affinity: 90, preferLocal: true, slowStart: 1500, maxConnections: 7, ejectAfter: 3, ejectFor: 60_000 });
  t.is(policyOf({ ...DEFAULT_BALANCING, affinityTimeout: 90_000 }).affinity, 0, 'a time without affinity is none');
  t.is(policyOf({ ...DEFAULT_BALANCING, ejectFor: 0 }).ejectAfter, 0, 'for no time is never');
  const timeouts = { established: LONGEST_TIMEOUT, transitory: 10_000, closed: 1000, udp: 120_000, icmp: 61_000 };
  t.deepEqual(timeoutsOf({ ...DEFAULT_BALANCING, timeouts }), { established: 8000, transitory: 10, closed: 1, udp: 120, icmp: 61 });
});
