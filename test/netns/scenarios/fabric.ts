/**
 * Scenarios for the VXLAN between network sandboxes: tasks of different nodes reach one another, with as many entries as there should be.
 */
import assert from 'node:assert/strict';
import { NetworkSandbox } from '../../../agent/sandbox/network-sandbox.js';
import { UserspaceFabric } from '../../../agent/sandbox/userspace-fabric.js';
import { bridgeBatch, ipBatch } from '../../../kernel/netns/links.js';
import { listNamespaces, type Namespace } from '../../../kernel/netns/netns.js';
import { run, start } from '../../../kernel/run/runner.js';
import { pollUntil } from '../../support/poll-until.js';
import { VNI, withFabric, type FabricNet, type FabricNode } from './support/fabric-net.js';

const lines = async (netns: Namespace, tool: string, ...args: string[]): Promise<string[]> => (await run(tool, args, { netns })).trim().split('\n').filter((line) => line !== '').map((line) => line.trim());
const forwarding = async (netns: Namespace): Promise<string[]> => (await lines(netns, 'bridge', 'fdb', 'show', 'dev', 'vxlan0')).map((line) => line.replace(/link-netnsid \d+ /, '')).sort();
const ping = (netns: Namespace, address: string, ...options: string[]): Promise<string> => run('sh', ['-c', 'ping "$@" || true', 'sh', '-c', '1', '-W', '5', ...options, address], { netns });

async function reachable(from: Namespace, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) assert.match(await ping(from, address), / 0% packet loss/, address);
}

async function connect({ nodes, fabric }: FabricNet): Promise<void> {
  for (const [index, { sandbox }] of nodes.entries()) await sandbox.setFabric(fabric(index));
}

const deviceIndex = async (netns: Namespace): Promise<number> => (JSON.parse(await run('ip', ['-json', 'link', 'show', 'vxlan0'], { netns })) as { ifindex: number }[])[0]!.ifindex;

/** Three nodes: everything reaches everything, by one entry for a node and one route for a task; what goes is gone; what was made is taken over. */
export async function connects(): Promise<void> {
  await withFabric([1500, 1500, 1500], async (net) => {
    await connect(net);
    const [a, b, c] = net.nodes as [(typeof net.nodes)[0], (typeof net.nodes)[0], (typeof net.nodes)[0]];
    for (const { address, address6, addresses } of [b, c]) await reachable(a.task, [address, address6, addresses.gateway, addresses.gateway6!]);
    await reachable(c.task, [b.address, b.address6]);

    const netns = a.sandbox.namespace;
    assert.deepEqual(await forwarding(netns), ['02:42:0a:00:01:16 dst 192.168.9.2 self permanent', '02:42:0a:00:01:20 dst 192.168.9.3 self permanent']);
    assert.deepEqual((await lines(netns, 'ip', '-4', 'neigh', 'show', 'dev', 'vxlan0')).sort(), ['10.0.1.22 lladdr 02:42:0a:00:01:16 PERMANENT', '10.0.1.32 lladdr 02:42:0a:00:01:20 PERMANENT']);
    assert.equal((await lines(netns, 'ip', '-6', 'neigh', 'show', 'dev', 'vxlan0')).length, 2);
    assert.deepEqual(await lines(netns, 'ip', 'route', 'show', 'dev', 'vxlan0'), [
      '10.0.1.21 via 10.0.1.22 onlink', '10.0.1.22 scope link', '10.0.1.25 via 10.0.1.22 onlink', '10.0.1.31 via 10.0.1.32 onlink', '10.0.1.32 scope link', '10.0.1.35 via 10.0.1.32 onlink',
    ]);

    // Nothing under an address that is not its own gets through.
    await ipBatch(c.task, ['addr add 10.0.1.77/32 dev eth0']);
    assert.match(await ping(c.task, a.address, '-I', '10.0.1.77', '-W', '1'), /100% packet loss/);

    const server = start('iperf3', ['-s', '-1'], { netns: b.task, stdio: ['ignore', 'pipe', 'inherit'] });
    await pollUntil('iperf3 listens', async () => (await lines(b.task, 'ss', '-Hltn')).length > 0);
    const report = JSON.parse(await run('iperf3', ['-J', '-n', '64M', '-c', b.address], { netns: a.task })) as { end: { sum_received: { bytes: number } } };
    // The server stops counting when the client says that it is done: what is on its way then is missing, more on a faster machine.
    assert.ok(report.end.sum_received.bytes >= 32e6, `${report.end.sum_received.bytes} bytes`);
    server.kill();

    await repairs(a);
    await reachable(a.task, [b.address, b.address6]);

    // An agent that died: its sandbox is taken over with the device in it, whatever somebody has done to its entries.
    const device = await deviceIndex(netns);
    a.sandbox.release();
    const adopted = await NetworkSandbox.open(a.options, ['task0']);
    await bridgeBatch(adopted.namespace, ['fdb del 02:42:0a:00:01:16 dev vxlan0 self', 'fdb replace 02:42:0a:00:01:ff dev vxlan0 dst 192.168.9.9 self permanent']);
    await ipBatch(adopted.namespace, ['route del 10.0.1.25/32 dev vxlan0', 'route add 10.0.1.99/32 dev vxlan0', 'neigh del 10.0.1.22 dev vxlan0']);
    const without = net.fabric(0, { nodes: [a.record, b.record] });
    await adopted.setFabric(without);
    assert.equal(await deviceIndex(adopted.namespace), device);
    await reachable(a.task, [b.address, b.address6]);
    assert.deepEqual(await forwarding(adopted.namespace), ['02:42:0a:00:01:16 dst 192.168.9.2 self permanent']);
    assert.equal((await lines(adopted.namespace, 'ip', 'route', 'show', 'dev', 'vxlan0')).length, 3);
    assert.equal((await lines(adopted.namespace, 'ip', '-6', 'route', 'show', 'dev', 'vxlan0')).length, 3);
    assert.equal((await lines(adopted.namespace, 'ip', 'neigh', 'show', 'dev', 'vxlan0')).length, 2);

    // Another network's device, and none at all.
    await adopted.setFabric(net.fabric(0, { network: { id: 'n1', vni: 4098, encrypted: false } }));
    assert.notEqual(await deviceIndex(adopted.namespace), device);
    assert.match(await ping(a.task, b.address, '-W', '1'), /100% packet loss/);
    await adopted.setFabric(undefined);
    assert.deepEqual((await lines(adopted.namespace, 'ip', '-br', 'link')).filter((line) => line.startsWith('vxlan')), []);
    await adopted.destroy();
    assert.deepEqual(listNamespaces(net.directory, 'net0'), []);
  });
}

/** What somebody does to a sandbox is undone, and told; what we do to it is not. */
async function repairs({ sandbox }: FabricNode): Promise<void> {
  const netns = sandbox.namespace;
  const vips = ['10.0.1.200', 'fd3a:9c01:77e2:1::200'];
  await sandbox.setVips(vips);
  assert.deepEqual(await sandbox.repair(), []);
  const state = async (): Promise<string> => {
    const shown = [await run('ip', ['-br', 'address'], { netns }), await run('ip', ['-6', 'rule'], { netns }), await run('ip', ['neigh', 'show', 'nud', 'permanent'], { netns }), (await forwarding(netns)).join('\n')];
    for (const family of ['-4', '-6']) shown.push(await run('ip', [family, 'route'], { netns }));
    return shown.join('\n').split('\n').map((line) => line.replace(/@\S+|dead linkdown/, '').trim()).sort().join('\n');
  };
  const sound = await state();
  const damages: [string, (() => Promise<void>)][] = [
    ['vip0 is down', () => ipBatch(netns, ['link set vip0 down'])],
    ['there is no route to 10.0.1.200 by vip0', () => ipBatch(netns, ['route del 10.0.1.200/32', `route del ${vips[1]!}/128 dev vip0`])],
    ['v-task0 is down', () => ipBatch(netns, ['link set v-task0 down'])],
    ['there is no route to 10.0.1.15 by v-task0', () => ipBatch(netns, ['route del 10.0.1.15/32', 'neigh del 10.0.1.15 dev v-task0'])],
    ['vxlan0 is gone', () => ipBatch(netns, ['link del vxlan0'])],
    ['vxlan0 is down', () => ipBatch(netns, ['link set vxlan0 down'])],
    ['vxlan0 has lost the forwarding entry of 02:42:0a:00:01:16, or has another', () => bridgeBatch(netns, ['fdb del 02:42:0a:00:01:16 dev vxlan0 self'])],
    ['vxlan0 has lost the neighbour 10.0.1.22, or has another', () => ipBatch(netns, ['neigh replace 10.0.1.22 lladdr 02:42:0a:00:01:99 dev vxlan0 nud permanent'])],
    ['vxlan0 has the route to 10.0.1.99, which is not ours', () => ipBatch(netns, ['route add 10.0.1.99/32 dev vxlan0'])],
    ["the rule 'pref 32766 lookup main' is gone", () => ipBatch(netns, ['rule flush'])],
    ["the IPv6 rule 'pref 2000 iif vxlan0 lookup main' is gone", () => ipBatch(netns, ['rule del pref 2000 iif vxlan0', 'rule del pref 1000'], 6)],
  ];
  for (const [sentence, damage] of damages) {
    await damage();
    const told = await sandbox.repair();
    assert.ok(told.includes(sentence), `${sentence}: ${told.join('; ')}`);
    assert.equal(await state(), sound, sentence);
    assert.deepEqual(await sandbox.repair(), [], sentence);
  }
}

/** A node whose underlay carries less: senders are told, in both families, and streams adapt. */
export async function tellsMtu(): Promise<void> {
  await withFabric([1500, 1400], async (net) => {
    await connect(net);
    const [a, b] = net.nodes as [(typeof net.nodes)[0], (typeof net.nodes)[0]];
    const fits = (address: string): number => 1350 - (address.includes(':') ? 48 : 28);
    for (const address of [b.address, b.address6]) {
      assert.match(await ping(a.task, address, '-M', 'do', '-s', `${fits(address) + 1}`), /Frag needed and DF set \(mtu = 1350\)|Packet too big: mtu=1350/, address);
      assert.match(await ping(a.task, address, '-M', 'do', '-s', `${fits(address)}`), / 0% packet loss/, address);
    }
    await ipBatch(a.task, ['route flush cache']);
    const server = start('iperf3', ['-s', '-1'], { netns: b.task, stdio: ['ignore', 'pipe', 'inherit'] });
    await pollUntil('iperf3 listens', async () => (await lines(b.task, 'ss', '-Hltn')).length > 0);
    await run('iperf3', ['-n', '8M', '-c', b.address], { netns: a.task });
    server.kill();
  });
}

/** In userspace: a TUN that could not be routed to is made anew, and the worker is told to let go of it before its descriptor is closed. */
export async function makesAnew(): Promise<void> {
  await withFabric([1500, 1500], async ({ nodes: [node], fabric }) => {
    const given: string[] = [];
    const worker = {
      setNetwork: (_: number, { vni }: { vni: number }): Promise<void> => Promise.resolve(void given.push(`given ${vni}`)),
      forget: (vni: number): Promise<void> => Promise.resolve(void given.push(`forgotten ${vni}`)),
    };
    const userspace = new UserspaceFabric({ sandbox: node!.sandbox.namespace, ipv6: true, worker });
    const wanted = fabric(0);
    await assert.rejects(userspace.set({ ...wanted, peers: wanted.peers.map((peer) => ({ ...peer, reaches: ['no address'] })) }), /ip /);
    await userspace.set(wanted);
    await userspace.set(undefined);
    assert.deepEqual(given, [`given ${VNI}`, `forgotten ${VNI}`, `given ${VNI}`, `forgotten ${VNI}`]);
  });
}
