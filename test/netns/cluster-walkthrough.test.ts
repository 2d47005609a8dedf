import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-walkthrough.js', import.meta.url);

test.serial('two nodes: a client on either reaches tasks on both by name, VIP and published port, near ones first, and they know who it is', (t) =>
  runScenario(t, 'root', module, 'twoNodes', ...CLUSTER_NEEDS, 'command:dig', 'command:ping', 'command:nc'));
