import test from 'ava';
import { MACHINE_USERS, runOnMachine } from '../support/machine-users.js';

// One at a time: what they carry is bounded by the processors alone.
const module = new URL('./scenarios/traffic.js', import.meta.url);
const tools = ['curl', 'nc', 'ping', 'dig'].map((name) => `command:${name}` as const);

for (const user of MACHINE_USERS) {
  test.serial(`large files and iperf3 through the VIP and the published port, as ${user}`, (t) => runOnMachine(t, user, module, 'bulk', 'command:iperf3', ...tools));
  test.serial(`TCP, UDP, half-closed connections, ping, hairpins, as ${user}`, (t) => runOnMachine(t, user, module, 'kinds', ...tools));
  test.serial(`a VIP without endpoint refuses at once, and stays, as ${user}`, (t) => runOnMachine(t, user, module, 'nobodyThere', ...tools));
}
