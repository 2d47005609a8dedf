import test from 'ava';
import { rawObstacle } from '../../kernel/raw/raw.js';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/offload.js', import.meta.url);
const tools = ['nft', 'conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

for (const user of ['root', 'nobody'] as const) {
  test.serial(`a service is handed to the kernel and taken back under traffic, as ${user}`, (t) => runScenario(t, user, module, 'handedOverAndBack', ...tools));
  test.serial(`its endpoints change while the kernel balances it, as ${user}`, (t) => runScenario(t, user, module, 'changedWhileOffloaded', ...tools));
}
test.serial('rules that another tool flushed come back', (t) => runScenario(t, 'root', module, 'flushed', ...tools));
for (const user of ['root', 'nobody'] as const) {
  test.serial(`an idle client of an endpoint or a service that is gone is told, as ${user}`, async (t) => {
    const obstacle = await rawObstacle();
    // It is optional, and CI is not to depend on a compiler either.
    if (obstacle !== undefined) {
      t.log(`skipped: ${obstacle}`);
      return t.pass();
    }
    await runScenario(t, user, module, 'idleClientsAreTold', ...tools);
  });
}
test.serial('the kernel balances without an agent, and the next one adopts it', (t) => runScenario(t, 'root', module, 'withoutAgent', ...tools));
