import test from 'ava';
import { CLUSTER_NEEDS } from '../support/cluster.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/cluster-many.js', import.meta.url);

// `npm run test:large` has five nodes.
const [sizes, text] = process.env.VIPMESH_TEST_LARGE === undefined ? ['3 12 36', '3 nodes, 12 services, 36 tasks'] : ['5 50 200', '5 nodes, 50 services, 200 tasks'];

test.serial(`${text}: all come up and are reached from everywhere`, (t) => {
  t.timeout(600_000);
  return runScenario(t, 'root', module, `many ${sizes}`, ...CLUSTER_NEEDS, 'command:perl');
});
