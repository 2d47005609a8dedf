import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/discovery.js', import.meta.url);

for (const user of MACHINE_USERS) {
  test.serial(`services, tasks, aliases, reverse look-ups and the host's resolvers, with dig in a task, as ${user}`, (t) => runOnMachine(t, user, module, 'names', 'command:dig'));
  test.serial(`names follow what lives and is healthy, as ${user}`, (t) => runOnMachine(t, user, module, 'changes', 'command:dig'));
}
