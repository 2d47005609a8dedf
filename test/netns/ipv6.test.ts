import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/ipv6.js', import.meta.url);
const tools = ['curl', 'nc', 'ping', 'dig'].map((name) => `command:${name}` as const);

for (const user of MACHINE_USERS) {
  test.serial(`a network with IPv6: names, tasks reached directly, what is shown and what is refused, as ${user}`, (t) => runOnMachine(t, user, module, 'direct', 'ipv6', ...tools));
  test.serial(`IPv6 through a VIP: TCP, UDP, ping, a large transfer each way, a hairpin, as ${user}`, (t) => runOnMachine(t, user, module, 'vips', 'ipv6', ...tools));
}
