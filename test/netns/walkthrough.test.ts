import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/walkthrough.js', import.meta.url);
const tools = ['npm', 'curl', 'ping', 'dig', 'ss', 'ps'].map((name) => `command:${name}` as const);

// One at a time: each is an agent with several tasks.
for (const user of MACHINE_USERS) {
  test.serial(`the walk-through, from npm start to Ctrl-C, as ${user}`, (t) => runOnMachine(t, user, module, 'walkthrough', ...tools));
}
