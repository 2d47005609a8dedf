import test from 'ava';
import { runScenario, type HostUser } from '../../support/host.js';

const module = new URL('../scenarios/workers.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test.serial(`two workers: more flows than the kernel remembers queues for, as ${as}`, (t) => runScenario(t, as, module, 'manyFlows', 'command:curl'));
  test.serial(`two workers: the TUN is detached and attached again, as ${as}`, (t) => runScenario(t, as, module, 'attachedAgain', 'command:curl'));
  test.serial(`two workers: killed, they leave no link, as ${as}`, (t) => runScenario(t, as, module, 'killed'));
}
