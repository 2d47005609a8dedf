import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-fabric.js', import.meta.url);

test.serial('between nodes: as few entries as there can be, strangers refused, put right, kept when an agent is killed, gone when it ends', (t) =>
  runScenario(t, 'root', module, 'betweenNodes', ...CLUSTER_NEEDS, 'command:ping', 'command:bridge', 'command:nft'));
