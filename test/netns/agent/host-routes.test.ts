import test from 'ava';
import { runScenario, type HostUser } from '../../support/host.js';

const module = new URL('../scenarios/host-routes.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test.serial(`addresses in the ingress sandboxes of other agents are known, and a file that is left over is none, as ${as}`, (t) => runScenario(t, as, module, 'otherIngress'));
}
