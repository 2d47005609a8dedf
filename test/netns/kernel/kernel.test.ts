import test from 'ava';
import { rawObstacle } from '../../../kernel/raw/raw.js';
import { runScenario, type HostUser } from '../../support/host.js';

const module = new URL('../scenarios/kernel.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test(`namespaces are made, entered, listed and removed, as ${as}`, (t) => runScenario(t, as, module, 'namespaces'));
  test(`a namespace goes although a task has a copy of its mount, as ${as}`, (t) => runScenario(t, as, module, 'copiedMounts'));
  test(`links and sysctls, as ${as}`, (t) => runScenario(t, as, module, 'links'));
  test(`changes of links and routes are told, as ${as}`, (t) => runScenario(t, as, module, 'routeChanges'));
  test(`sockets belong to the namespace they are made in, as ${as}`, (t) => runScenario(t, as, module, 'sockets', 'command:nc'));
  test(`a TUN is made and goes with its descriptors, as ${as}`, (t) => runScenario(t, as, module, 'tun'));
  test(`the queues of a TUN keep the flows that were written to them, as ${as}`, (t) => runScenario(t, as, module, 'tunQueues'));
  test(`a TUN keeps the device contract, as ${as}`, (t) => runScenario(t, as, module, 'deviceContractOverTun'));
  test(`a worker thread enters a namespace alone, as ${as}`, (t) => runScenario(t, as, module, 'workerThread'));
}

test('facts of the host are asked for when they change', (t) => runScenario(t, 'root', module, 'hostProbe', 'command:nft'));
for (const as of ['root', 'userns'] as HostUser[]) {
  test(`packets by a raw socket, as ${as}`, async (t) => {
    const obstacle = await rawObstacle();
    if (obstacle === undefined) return runScenario(t, as, module, 'rawPackets');
    t.log(`skipped: ${obstacle}`);
    return t.pass();
  });
}
test('namespaces of ip netns and ours live side by side', (t) => runScenario(t, 'root', module, 'besideIpNetns'));
test('a /dev/net/tun that may not be opened is named with the uid and the remedy', (t) =>
  runScenario(t, 'userns', module, 'tunRefused'));
