import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-vxlan.js', import.meta.url);

// `npm run test:large` has each pair transfer a gigabyte.
const [scenario, size] = process.env.VIPMESH_TEST_LARGE === undefined ? ['everyPair', '8 MiB'] : ['everyPairLarge', '1 GiB'];

test.serial(`VXLAN in userspace: ${size} between every pair of nodes with the kernel's, with their own and without root; PMTU; strangers and nonsense; a TUN that is gone`, (t) => {
  t.timeout(1_800_000);
  return runScenario(t, 'root', module, scenario, ...CLUSTER_NEEDS, 'command:ping');
});
