/**
 * What is between the nodes of a cluster, as an administrator finds it: entries, the host's filter, what becomes of both when somebody takes
 * them away, when an agent is killed, and when it ends in order.
 */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { isDeepStrictEqual } from 'node:util';
import { run } from '../../../kernel/run/runner.js';
import type { TaskSummary } from '../../../agent/control.js';
import { detachNode } from '../../../overlay/network/attached.js';
import { openEtcdStore } from '../../../overlay/store/etcd.js';
import { aliveKey, ATTACHED, nameKey, nodeKey, type Attached } from '../../../overlay/store/keys.js';
import { SERVE, type ClusterNode } from '../../support/cluster-node.js';
import { Cluster, SOON } from '../../support/cluster.js';
import { pollUntil } from '../../support/poll-until.js';
import { step } from './support/steps.js';

const on = (node: ClusterNode, ...command: string[]): Promise<string> => run('nsenter', [...node.host.entering, ...command]);
const linesOf = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');
const tables = async (node: ClusterNode): Promise<string[]> => linesOf(await on(node, 'nft', 'list', 'tables')).filter((line) => line.includes('vipmesh-fabric-'));
const sandbox = async (node: ClusterNode): Promise<string> => linesOf(await on(node, 'ip', 'netns')).find((name) => /-overlay1\b/.test(name))?.split(' ')[0] ?? assert.fail('no sandbox');
const inSandbox = async (node: ClusterNode, ...command: string[]): Promise<string[]> => linesOf(await on(node, 'ip', 'netns', 'exec', await sandbox(node), ...command));
const addressOf = ({ addresses }: TaskSummary): string => addresses[0]?.address ?? assert.fail('it has an address');

export async function betweenNodes(): Promise<void> {
  const cluster = await step('two nodes and an etcd come up', () => Cluster.start({ nodes: 2 }));
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  await node1.cli('network', 'create', 'overlay1');
  await node1.cli('service', 'create', '--name', 'web', '--network', 'overlay1', '--replicas', '4', '--', ...SERVE);
  const tasks = await node2.settles('web', 4);
  const [near, far] = ['node1', 'node2'].map((name) => tasks.filter(({ node }) => node === name)) as [TaskSummary[], TaskSummary[]];
  /** From a task of the first node to one of the second, past every balancer. */
  const reaches = async (): Promise<boolean> => (await node1.inTask('overlay1', `ping -c 1 -W 2 ${addressOf(far[0]!)} >/dev/null && echo yes || true`)).includes('yes');
  await pollUntil('they reach one another', reaches, SOON);

  await step('one entry for a node, one route for a task and two for a node', async () => {
    assert.deepEqual([near.length, far.length], [2, 2]);
    const entries = async (): Promise<number[]> => {
      const shown = [['bridge', 'fdb', 'show', 'dev', 'vxlan0'], ['ip', 'neigh', 'show', 'dev', 'vxlan0'], ['ip', 'route', 'show', 'dev', 'vxlan0']].map((command) => inSandbox(node2, ...command));
      return (await Promise.all(shown)).map(({ length }) => length);
    };
    // A task that was only there to ask is gone in a moment.
    await pollUntil('two tasks, two addresses of the node', async () => (await entries()).join() === '1,1,4', SOON);
  });

  const dropped = async (): Promise<number> => (await node1.api.info()).counters['vxlanDropped.unknown-vtep'] ?? 0;
  const stranger = createSocket('udp4');
  const intrude = async (): Promise<void> => {
    const before = await dropped();
    await new Promise<void>((resolve, reject) => stranger.send(Buffer.alloc(64), 4789, node1.address, (error) => (error ? reject(error) : resolve())));
    await pollUntil('it is dropped, and counted', async () => (await dropped()) === before + 1, SOON);
  };
  await step('a stranger is refused, also after somebody has flushed the rules', async () => {
    await intrude();
    await on(node1, 'nft', 'flush', 'ruleset');
    await pollUntil('the filter is back', async () => (await tables(node1)).length === 1, SOON);
    await intrude();
  });

  await step('a VXLAN that was deleted is made anew', async () => {
    await inSandbox(node1, 'ip', 'link', 'del', 'vxlan0');
    await pollUntil('they reach one another again', reaches, SOON);
  });

  await step('a node that was removed while it was cut off takes its place again', async () => {
    const { id } = await node1.api.node('node2');
    const store = openEtcdStore({ members: cluster.etcd.members.map(({ client }) => client), cluster: 'test' });
    const attached = async (): Promise<object> => Object.fromEntries((await store.list<Attached>(ATTACHED)).entries.map(({ key, value }) => [key, value]));
    const before = await attached();
    // What removeNode does, without waiting for the end of a lease.
    for (const key of Object.keys(before)) await detachNode(store, key.slice(ATTACHED.length), id);
    await store.commit([], [aliveKey(id), nodeKey(id), nameKey('node', 'node2')].map((key) => ({ delete: key })));
    await pollUntil('it says so', () => node2.log.includes('had been removed from the cluster'), SOON);
    await pollUntil('it has the same addresses', async () => isDeepStrictEqual(await attached(), before), SOON);
    await cluster.allReady();
    await pollUntil('they reach one another again', reaches, SOON);
    await store.close();
  });

  await step('an agent that was killed leaves all in place, and the next one goes on with it', async () => {
    const device = await inSandbox(node1, 'ip', '-o', 'link', 'show', 'vxlan0');
    await node1.kill9();
    assert.equal((await tables(node1)).length, 1);
    // Those that it knew.
    assert.match(await node2.cli('exec', far[0]!.name, 'ping', '-c', '1', '-W', '5', addressOf(near[0]!)), / 0% packet loss/);
    await node1.restart();
    await pollUntil('they reach one another', reaches, SOON);
    assert.deepEqual(await inSandbox(node1, 'ip', '-o', 'link', 'show', 'vxlan0'), device);
    assert.ok((await dropped()) >= 1, 'what was counted stays');
  });

  await step('an agent that ends in order leaves nothing, nor does `down` of one that was killed', async () => {
    await node1.stop();
    assert.deepEqual(await tables(node1), []);
    await node2.kill9();
    assert.equal((await tables(node2)).length, 1);
    await node2.cli('down');
    assert.deepEqual(await tables(node2), []);
  });
  stranger.close();
  await cluster.close();
}
