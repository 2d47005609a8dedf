import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

// One at a time: each is an agent with several tasks.
const module = new URL('./scenarios/walkthrough.js', import.meta.url);
const tools = ['npm', 'curl', 'ping', 'dig', 'ss', 'ps'].map((name) => `command:${name}` as const);

for (const user of MACHINE_USERS) {
  test.serial(`the walk-through, from npm start to Ctrl-C, as ${user}`, (t) => runOnMachine(t, user, module, 'walkthrough', ...tools));
  test.serial(`in the background: up --detach, status, down, as ${user}`, (t) => runOnMachine(t, user, module, 'background', ...tools));
  test.serial(`signals to npm, to the agent and to both, as ${user}`, (t) => runOnMachine(t, user, module, 'signals', ...tools));
}
