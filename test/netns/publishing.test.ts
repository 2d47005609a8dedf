import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/publishing.js', import.meta.url);

for (const user of MACHINE_USERS) {
  test.serial(`ports of the host: taken, of one address, of the node's own tasks, chosen, given back, as ${user}`, (t) => runOnMachine(t, user, module, 'publishing', 'command:curl', 'command:ss'));
}
