import test from 'ava';
import { runScenario, type HostUser } from '../../support/host.js';

const module = new URL('../scenarios/conntrack.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test.serial(`connection tracking remembers UDP flows for as long as it is told, as ${as}`, (t) => runScenario(t, as, module, 'remembers', 'command:nft', 'command:conntrack'));
}
