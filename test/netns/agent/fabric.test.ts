import test from 'ava';
import { runScenario } from '../../support/host.js';

const module = new URL('../scenarios/fabric.js', import.meta.url);

test.serial('tasks of three nodes reach one another by VXLAN, and an agent takes it over', (t) => runScenario(t, 'root', module, 'connects', 'command:ping', 'command:iperf3', 'command:ss'));
test.serial('the same, rootless: of one user', (t) => runScenario(t, 'userns', module, 'connects', 'command:ping', 'command:iperf3', 'command:ss'));
test.serial('an underlay that carries less: senders are told', (t) => runScenario(t, 'root', module, 'tellsMtu', 'command:ping', 'command:iperf3', 'command:ss'));
test.serial('in userspace: a TUN that could not be routed to is let go of before it is made anew', (t) => runScenario(t, 'root', module, 'makesAnew'));

const filter = new URL('../scenarios/fabric-filter.js', import.meta.url);

for (const as of ['root', 'userns'] as const) {
  test.serial(`only known nodes, networks and sources get in, and what is dropped is counted, as ${as}`, (t) => runScenario(t, as, filter, 'refuses', 'command:nft', 'command:ping'));
}
test.serial('the filter is put back, taken over and changed without losing its counts', (t) => runScenario(t, 'root', filter, 'staysInstalled', 'command:nft'));
