import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-store.js', import.meta.url);

test.serial('two nodes and their store: who leads, a node that is forgotten, etcd gone or older than it was, a store that moves into it', (t) => {
  t.timeout(300_000);
  return runScenario(t, 'root', module, 'stores', ...CLUSTER_NEEDS);
});
