/**
 * Two nodes and one mesh: tasks of a service on both, a client on either, by dnsrr, by VIP and by published port, with real tools; and what
 * becomes of a published port that is to be near, or to say who the client is.
 */
import assert from 'node:assert/strict';
import { SERVE, SERVE_BEHIND_PROXY, type ClusterNode } from '../../support/cluster-node.js';
import { Cluster, SOON } from '../../support/cluster.js';
import { pollUntil } from '../../support/poll-until.js';
import { answeredBy, curl, firstWords, refusedAt, times } from './support/cluster-clients.js';
import { step } from './support/steps.js';

/** Commands of a client in a task. */
const ask = (...urls: string[]): string => curl(...urls).map((word) => `'${word}'`).join(' ');

/** The scenario: a cluster of two nodes, walked through, and what published ports can be told. */
export async function twoNodes(): Promise<void> {
  const cluster = await step('two nodes and an etcd come up', () => Cluster.start({ nodes: 2 }));
  await step('the walk-through', () => walkthrough(cluster));
  await step('both tasks on one node', () => bothOnOne(cluster));
  await step('mode=host', () => hostMode(cluster));
  await step('local endpoints are preferred', () => preferLocal(cluster));
  await step('the PROXY protocol', () => proxyProtocol(cluster));
  await cluster.close();
}

async function walkthrough(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  const table = await node2.cli('node', 'ls');
  for (const node of cluster.nodes) assert.match(table, new RegExp(`${node.name} +Ready +Active +(Leader +)?${node.address} +root `), table);

  // One network and two services of two tasks, created on one node: a task of each is on either node.
  await node1.cli('network', 'create', 'overlay1');
  await node1.cli('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', '-p', '8080:80', '--', ...SERVE);
  await node2.cli('service', 'create', '--name', 'dv', '--endpoint-mode', 'dnsrr', '--network', 'overlay1', '--replicas', '2', '--', ...SERVE);
  const votes = await node2.settles('vote', 2);
  assert.deepEqual(votes.map(({ node }) => node).sort(), ['node1', 'node2'], 'spread');
  const ids = votes.map(({ id }) => id).sort();

  // A client on either node, by VIP and by dnsrr; the names behind the addresses.
  for (const node of cluster.nodes) await resolvesAndReaches(node, ids);

  // Every node answers on the published port, for clients on any.
  await reachesPort(cluster, ids);
  await node1.cli('service', 'rm', 'vote', 'dv');
}

async function resolvesAndReaches(node: ClusterNode, ids: readonly string[]): Promise<void> {
  const dv = (await node.settles('dv', 2)).map(({ id, addresses }) => ({ id, address: addresses[0]?.address ?? '' }));
  const vip = await vipOf(node, 'vote');
  const script = [
    ask(...times(6, 'http://vote/')),
    'echo =====', 'dig +short vote', 'dig +short dv | sort',
    'echo =====', ...dv.map(({ address }) => `dig +short -x ${address}`),
    'echo =====', ask(...dv.map(({ address }) => `http://${address}/`)),
    'echo =====', 'ping -c 1 -W 5 vote >/dev/null && echo pinged', ...dv.map(({ address }) => `ping -c 1 -W 5 ${address} >/dev/null && echo pinged`),
  ].join('\n');
  // Names and endpoints of another node's tasks come by the store: in a moment.
  await pollUntil(`${node.name} reaches all`, async () => {
    const [votes = '', names = '', reverse = '', direct = '', pings = ''] = (await node.inTask('overlay1', script)).split('=====\n');
    assert.deepEqual(firstWords(votes), ids);
    assert.deepEqual(names.trim().split('\n'), [vip, ...dv.map(({ address }) => address).sort()]);
    assert.deepEqual(reverse.trim().split('\n'), (await node.settles('dv', 2)).map(({ name }) => `${name}.overlay1.`));
    assert.deepEqual(firstWords(direct), dv.map(({ id }) => id).sort());
    assert.equal(pings, 'pinged\n'.repeat(3));
    return true;
  }, { ...SOON, interval: 200 });
}

async function vipOf(node: ClusterNode, service: string): Promise<string> {
  const [{ id }, { vips }] = await Promise.all([node.api.network('overlay1'), node.api.service(service)]);
  return vips.find(({ networkId }) => networkId === id)?.address ?? assert.fail(`${service} has no VIP`);
}

/** From each node, on each node's address: every task answers. */
async function reachesPort(cluster: Cluster, ids: readonly string[]): Promise<void> {
  for (const from of cluster.nodes) for (const to of cluster.nodes) await answeredBy(from, `http://${to.name}:8080/`, ids);
}

/** Both tasks on one node: the other has none, and answers all the same. */
async function bothOnOne(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  await node2.cli('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', '--constraint', 'node.hostname==node1', '-p', '8080:80', '--', ...SERVE);
  const votes = await node1.settles('vote', 2);
  assert.deepEqual(votes.map(({ node }) => node), ['node1', 'node1']);
  const ids = votes.map(({ id }) => id).sort();
  await reachesPort(cluster, ids);
  await pollUntil('by VIP from node2', async () => {
    assert.deepEqual(firstWords(await node2.inTask('overlay1', ask(...times(4, 'http://vote/')))), ids);
    return true;
  }, { ...SOON, interval: 200 });
  await node1.cli('service', 'rm', 'vote');
}

/** A port of mode=host is where a task is, and is for that node's tasks. */
async function hostMode(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  await node1.cli('service', 'create', '--name', 'own', '--replicas', '2', '-p', 'published=8081,target=80,mode=host', '--', ...SERVE);
  const tasks = await node1.settles('own', 2);
  assert.deepEqual(tasks.map(({ node }) => node).sort(), ['node1', 'node2']);
  for (const { id, node } of tasks) await answeredBy(cluster.node(node === 'node1' ? 2 : 1), `http://${node}:8081/`, [id], 4);
  await node1.cli('service', 'scale', 'own=1');
  const [left] = await node1.settles('own', 1);
  const [there, gone] = left?.node === 'node1' ? [node1, node2] : [node2, node1];
  await refusedAt(there, `http://${gone.name}:8081/`);
  await answeredBy(gone, `http://${there.name}:8081/`, [left?.id ?? ''], 2);
  await node1.cli('service', 'rm', 'own');
}

/** Of a task on either node each client gets the one of the node it came to; when that has none any more, the other. */
async function preferLocal(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  await node1.cli('service', 'create', '--name', 'near', '--network', 'overlay1', '--prefer', 'local', '--replicas', '2', '-p', '8082:80', '--', ...SERVE);
  const tasks = await node1.settles('near', 2);
  for (const { id, node } of tasks) {
    await answeredBy(node1, `http://${node}:8082/`, [id], 4);
    await pollUntil(`by VIP from ${node}`, async () => {
      assert.deepEqual(firstWords(await cluster.node(node).inTask('overlay1', ask(...times(4, 'http://near/')))), [id]);
      return true;
    }, { ...SOON, interval: 200 });
  }
  await node2.cli('service', 'scale', 'near=1');
  const [left] = await node1.settles('near', 1);
  for (const node of cluster.nodes) await answeredBy(node1, `http://${node.name}:8082/`, [left?.id ?? ''], 4);
  await node1.cli('service', 'rm', 'near');
}

/** The task is on one node, the client comes to the other: it is told of the client, whether that speaks first or not. */
async function proxyProtocol(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  const publish = ['-p', '8083:80,proxy-protocol=v2', '-p', 'published=8025,target=25,proxy-protocol=v2'];
  await node1.cli('service', 'create', '--name', 'told', '--constraint', 'node.hostname==node1', ...publish, '--', ...SERVE_BEHIND_PROXY);
  const [{ id } = assert.fail('no task')] = await node2.settles('told', 1);
  await answeredBy(node1, `http://${node2.name}:8083/`, [id], 1);
  assert.match(await node1.exec(...curl('http://node2:8083/')), new RegExp(`^${id} 192\\.0\\.2\\.1 \\d+ 8083\n$`));
  assert.match(await node2.exec(...curl('http://[::1]:8083/')), new RegExp(`^${id} 0000:0000:0000:0000:0000:0000:0000:0001 \\d+ 8083\n$`));
  // Says nothing, and waits for the greeting.
  assert.match(await node1.exec('nc', '-d', '-w', '20', 'node2', '8025'), new RegExp(`^${id} 192\\.0\\.2\\.1 \\d+ 8025\n$`));
  const { ports } = await node2.api.service('told');
  assert.deepEqual(ports.map(({ published, proxyProtocol: version }) => [published, version]), [[8083, 'v2'], [8025, 'v2']]);
  await node1.cli('service', 'rm', 'told');
}
