/**
 * Nodes whose VXLAN is the kernel's, a root agent's own, and that of agents without root, in one cluster: who reaches whom, how large a packet
 * may be, what is refused, and what becomes of a TUN that somebody has removed.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { run } from '../../../kernel/run/runner.js';
import type { TaskSummary } from '../../../agent/control.js';
import type { ClusterNode } from '../../support/cluster-node.js';
import { Cluster, SOON } from '../../support/cluster.js';
import { pollUntil } from '../../support/poll-until.js';
import { digestOf, fetchBytes, SERVE_BYTES } from '../../support/transfer.js';
import { step } from './support/steps.js';

/** Of each transfer. */
const FEW = 8 << 20;
const MANY = 1 << 30;

const addressesOf = ({ addresses }: TaskSummary): { readonly address: string; readonly address6: string } => {
  const [first] = addresses;
  return { address: first?.address ?? assert.fail('it has an address'), address6: first?.address6 ?? assert.fail('and one of IPv6') };
};

export async function everyPair(): Promise<void> {
  await talk(FEW);
}

export async function everyPairLarge(): Promise<void> {
  await talk(MANY);
}

async function talk(bytes: number): Promise<void> {
  const of = { 2: { up: ['--vxlan', 'userspace'] }, 4: { mtu: 1400 } };
  const cluster = await step('a node with the kernel\'s VXLAN, one with its own, and two without root come up', () => Cluster.start({ nodes: 4, rootless: [3, 4], of }));
  const [kernel, own, rootless] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  const kinds = (await kernel.api.nodes()).sort((a, b) => (a.hostname < b.hostname ? -1 : 1)).map(({ mode, vxlan }) => `${mode} ${vxlan}`);
  assert.deepEqual(kinds, ['root kernel', 'root userspace', 'rootless userspace', 'rootless userspace']);
  assert.match(await rootless.cli('status'), /VXLAN: +in userspace/);

  await rootless.cli('network', 'create', '--ipv6', 'mesh');
  await rootless.cli('service', 'create', '--name', 'bytes', '--mode', 'global', '--network', 'mesh', '--', ...SERVE_BYTES);
  const tasks = await kernel.settles('bytes', 4);
  const taskOf = (node: ClusterNode): TaskSummary => tasks.find((task) => task.node === node.name) ?? assert.fail(`no task on ${node.name}`);
  const inTask = (node: ClusterNode, ...command: string[]): Promise<string> => node.cli('exec', taskOf(node).name, ...command);
  const fetched = (node: ClusterNode, size: number, from: readonly string[]): Promise<string> => inTask(node, ...fetchBytes(size, from));

  await step('every pair talks both ways, by IPv4 and IPv6, and nothing is lost or changed', async () => {
    for (const node of cluster.nodes) {
      const others = cluster.nodes.filter((other) => other !== node).map((other) => addressesOf(taskOf(other)));
      const hosts = others.flatMap(({ address, address6 }) => [address, address6]);
      await pollUntil(`${node.name} knows where the others are`, () => fetched(node, 1, hosts).then(() => true, () => false), SOON);
      const digest = digestOf(bytes);
      const by = bytes === FEW ? hosts : others.map(({ address }) => address);
      assert.deepEqual((await fetched(node, bytes, by)).trim().split('\n'), by.map((host) => `${host} ${digest}`));
    }
  });

  await step('a packet that is too large for the way is told so', async () => {
    const { address } = addressesOf(taskOf(cluster.node(4)));
    for (const node of [own, rootless]) assert.match(await inTask(node, 'sh', '-c', `ping -c 1 -W 5 -M do -s 1400 ${address} 2>&1 || true`), /mtu ?= ?1350/);
    assert.match(await inTask(own, 'ping', '-c', '1', '-W', '5', '-M', 'do', '-s', `${1350 - 28}`, address), / 0% packet loss/);
    // Cut by the task itself.
    assert.match(await inTask(rootless, 'ping', '-c', '1', '-W', '5', '-s', '4000', addressesOf(taskOf(kernel)).address), / 0% packet loss/);
  });

  await step('what strangers send, and what is malformed, is dropped and counted', async () => {
    const counted = async (node: ClusterNode, reason: string): Promise<number> => (await node.api.info()).counters[`vxlanDropped.${reason}`] ?? 0;
    const header = Buffer.from('0800000000000100' + '000000000000' + '000000000000' + '0800', 'hex');
    const [stranger] = [createSocket('udp4')];
    for (const node of [own, rootless]) {
      await new Promise<void>((resolve, reject) => stranger.send(header, 4789, node.address, (error) => (error ? reject(error) : resolve())));
      await pollUntil('a stranger is told from a node', async () => (await counted(node, 'unknown-vtep')) > 0, SOON);
      const send = (bytes: Buffer): Promise<string> => kernel.exec(process.execPath, '-e', `const s = require('dgram').createSocket('udp4'); s.bind(0, '${kernel.address}', () => s.send(Buffer.from('${bytes.toString('hex')}', 'hex'), 4789, '${node.address}', () => s.close()))`);
      await send(header);
      await pollUntil('a network that nobody has', async () => (await counted(node, 'unknown-vni')) > 0, SOON);
      await send(Buffer.alloc(64));
      await pollUntil('no VXLAN', async () => (await counted(node, 'malformed')) > 0, SOON);
    }
    stranger.close();
  });

  await step('nothing is encrypted where the kernel does not carry it', async () => {
    for (const node of [own, rootless]) assert.match(await node.refused('network', 'create', '--opt', 'encrypted', 'secret'), /cannot be encrypted: this agent .*(userspace|rootless)/);
  });

  await step('a TUN that was removed is made anew, and one whose agent was killed by the next', async () => {
    const name = (await run('nsenter', [...own.host.entering, 'ip', 'netns'])).split('\n').find((line) => /-mesh\b/.test(line))?.split(' ')[0] ?? assert.fail('no sandbox');
    const { address } = addressesOf(taskOf(kernel));
    const reaches = (): Promise<boolean> => fetched(own, 1, [address]).then(() => true, () => false);
    await run('nsenter', [...own.host.entering, 'ip', '-n', name, 'link', 'del', 'vxlan0']);
    await pollUntil('it is there again', reaches, SOON);
    await own.kill9();
    await own.restart();
    await pollUntil('it is there again', reaches, SOON);
  });
  await cluster.close();
}
