import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/walkthrough.js', import.meta.url);
const tools = ['npm', 'curl', 'ss', 'ps'].map((name) => `command:${name}` as const);

for (const user of MACHINE_USERS) {
  test.serial(`in the background: up --detach, status, down, as ${user}`, (t) => runOnMachine(t, user, module, 'background', ...tools));
  test.serial(`signals to npm, to the agent and to both, as ${user}`, (t) => runOnMachine(t, user, module, 'signals', ...tools));
}
