import test from 'ava';
import { runScenario, type HostUser } from '../../support/host.js';

const module = new URL('../scenarios/offload-nft.js', import.meta.url);
const tools = ['command:nft', 'command:conntrack'] as const;

for (const as of ['root', 'userns'] as HostUser[]) {
  test.serial(`the nft driver keeps the contract, as ${as}`, (t) => runScenario(t, as, module, 'contract', ...tools));
  test.serial(`flows that were tracked before are left alone, as ${as}`, (t) => runScenario(t, as, module, 'leavesWhatWasTracked', ...tools));
  test.serial(`changes by netlink are all or nothing, as ${as}`, (t) => runScenario(t, as, module, 'transacts', ...tools));
  test.serial(`what others change in our table is named and mended, as ${as}`, (t) => runScenario(t, as, module, 'namesWhatIsChanged', ...tools));
}

test.serial('many services are installed, changed and removed', (t) => runScenario(t, 'root', module, 'scales', ...tools));
