import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/paths.js', import.meta.url);
const tools = ['curl', 'nc', 'ping', 'traceroute'].map((name) => `command:${name}` as const);

for (const user of MACHINE_USERS) {
  test.serial(`traceroute, IP options, fragments and path MTU through a VIP, as ${user}`, (t) => runOnMachine(t, user, module, 'paths', 'ipv6', ...tools));
}
