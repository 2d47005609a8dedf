import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-rootless.js', import.meta.url);

test.serial('a rootless node in a cluster: etcd of three members, with TLS, a user and a password, through the gateway', (t) => {
  t.timeout(300_000);
  return runScenario(t, 'root', module, 'member', ...CLUSTER_NEEDS, 'command:openssl');
});
