import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-failures.js', import.meta.url);

test.serial('three nodes: a drain, the death of an agent, of a node, of etcd, and a partition', (t) => {
  t.timeout(300_000);
  return runScenario(t, 'root', module, 'failures', ...CLUSTER_NEEDS);
});
