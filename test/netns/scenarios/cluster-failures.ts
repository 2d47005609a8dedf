/**
 * What can befall a cluster of three nodes with three members of etcd, and what goes on meanwhile.
 */
import assert from 'node:assert/strict';
import { SERVE, type ClusterNode } from '../../support/cluster-node.js';
import { Cluster, SOON } from '../../support/cluster.js';
import { pollUntil } from '../../support/poll-until.js';
import { answeredBy, curl, firstWords, times } from './support/cluster-clients.js';
import { SteadyClient } from './support/steady.js';
import { step } from './support/steps.js';

/** Milliseconds: longer than a node's lease (agent/cluster/registration.ts). */
const LONGER_THAN_A_LEASE = 6500;

/** The scenario. */
export async function failures(): Promise<void> {
  const cluster = await step('three nodes and three members of etcd come up', () => Cluster.start({ nodes: 3, etcd: 3 }));
  await cluster.node(1).cli('network', 'create', 'overlay1');
  await cluster.node(1).cli('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '3', '-p', '8080:80', '--', ...SERVE);
  await everywhere(cluster, await idsOn(cluster.node(1)));
  await step('a node is drained', () => drain(cluster));
  await step("etcd's leader is killed", () => leaderDies(cluster));
  await step('all of etcd is gone, and comes back', () => withoutEtcd(cluster));
  await step('an agent is killed', () => agentDies(cluster));
  await step('a node is cut off, and is back', () => partition(cluster));
  await step('a node dies, and is back', () => nodeDies(cluster));
  await cluster.close();
}

/** Tasks of vote, by the node that has them. */
async function tasksOf(observer: ClusterNode, replicas = 3): Promise<Map<string, string[]>> {
  const tasks = new Map<string, string[]>();
  for (const { id, node } of await observer.settles('vote', replicas)) tasks.set(node, [...(tasks.get(node) ?? []), id]);
  return tasks;
}

async function idsOn(observer: ClusterNode, ...nodes: string[]): Promise<string[]> {
  const tasks = await tasksOf(observer);
  return [...tasks].flatMap(([node, ids]) => (nodes.length === 0 || nodes.includes(node) ? ids : []));
}

/** By the published port of each node that runs, all of these tasks answer, and no others. */
async function everywhere(cluster: Cluster, ids: readonly string[]): Promise<void> {
  for (const node of cluster.nodes) if (node.isUp) await answeredBy(cluster.node(1), `http://${node.name}:8080/`, ids);
}

/** One on the host of node1 by the port of another node, one in a task there by the VIP. */
async function clients(cluster: Cluster): Promise<SteadyClient[]> {
  const node1 = cluster.node(1);
  return Promise.all([SteadyClient.under(node1.prefix, 'node3', 8080, node1.root), SteadyClient.under(node1.taskPrefix('overlay1'), 'vote', 80, node1.root)]);
}

async function noneFailed(running: readonly SteadyClient[]): Promise<void> {
  for (const seen of await Promise.all(running.map((client) => client.stop()))) assert.deepEqual(seen.failures, [], `of ${seen.attempts}`);
}

/** Its task goes elsewhere, and no client notices. */
async function drain(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  const [leaving = ''] = await idsOn(node1, 'node2');
  const running = await clients(cluster);
  for (const client of running) await pollUntil('it is served by the one that is to leave', () => client.isAnsweredBy(leaving), SOON);
  await node1.cli('node', 'update', '--availability', 'drain', 'node2');
  await pollUntil('no task is on node2', async () => !(await tasksOf(node1)).has('node2'), { ...SOON, interval: 100 });
  const now = await idsOn(node1);
  for (const client of running) for (const id of now) await pollUntil('those that are there now serve it', () => client.isAnsweredBy(id), SOON);
  await noneFailed(running);
  await everywhere(cluster, now);
  await node2.cli('node', 'update', '--availability', 'active', 'node2');
  // Tasks are not moved by themselves: only new ones go there.
  await node1.cli('service', 'scale', 'vote=1');
  await node1.cli('service', 'scale', 'vote=3');
  await pollUntil('one on each node', async () => (await tasksOf(node1)).size === 3, { ...SOON, interval: 100 });
}

async function leaderDies(cluster: Cluster): Promise<void> {
  const node1 = cluster.node(1);
  const member = await cluster.etcd.leader();
  await member.kill();
  await node1.cli('service', 'scale', 'vote=4');
  await node1.cli('service', 'scale', 'vote=3');
  member.start();
  await everywhere(cluster, await idsOn(node1));
}

/** Longer than a lease: who has lost the store drops nobody, and says so to whoever asks. */
async function withoutEtcd(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  const ids = await idsOn(node1);
  const running = await clients(cluster);
  await Promise.all(cluster.etcd.members.map((member) => member.kill()));
  const since = performance.now();
  assert.match(await node2.refused('service', 'scale', 'vote=4'), /etcd/);
  assert.match(await node2.cli('status'), /^Store: .*etcd.*OUT OF REACH/m);
  await pollUntil('leases are over', () => performance.now() - since > LONGER_THAN_A_LEASE, { ...SOON, interval: 100 });
  for (const node of cluster.nodes) {
    // Each at once, without a second try: nothing is to have changed. Many: in between, turns are the other clients'.
    assert.deepEqual(firstWords(await node1.exec(...curl(...times(30, `http://${node.name}:8080/`)))), [...ids].sort(), node.name);
  }
  for (const member of cluster.etcd.members) member.start();
  await cluster.allReady();
  await noneFailed(running);
  await pollUntil('a change is made again', () => node1.cli('service', 'scale', 'vote=4').then(() => true), { ...SOON, interval: 500 });
  await tasksOf(node1, 4);
  await node1.cli('service', 'scale', 'vote=3');
  await everywhere(cluster, await idsOn(node1));
}

/** Its tasks go on, but nobody sends them anything; the next agent takes them over. */
async function agentDies(cluster: Cluster): Promise<void> {
  const [node1, node3] = [cluster.node(1), cluster.node(3)];
  const ids = await idsOn(node1);
  const others = await idsOn(node1, 'node1', 'node2');
  await node3.kill9();
  await cluster.sees(node1, 'node3', 'down');
  await everywhere(cluster, others);
  await node3.restart();
  await cluster.allReady();
  assert.deepEqual((await idsOn(node1)).sort(), [...ids].sort(), 'the same tasks');
  await everywhere(cluster, ids);
}

/** The two that have etcd go on without it; on the third what it can reach goes on. */
async function partition(cluster: Cluster): Promise<void> {
  const [node1, node3] = [cluster.node(1), cluster.node(3)];
  const ids = await idsOn(node1);
  const [others, own] = [await idsOn(node1, 'node1', 'node2'), await idsOn(node1, 'node3')];
  await node3.cut();
  await cluster.sees(node1, 'node3', 'down');
  for (const node of [cluster.node(1), cluster.node(2)]) await answeredBy(node1, `http://${node.name}:8080/`, others);
  // It still knows the others, but cannot reach them: a connection goes to the next endpoint.
  assert.deepEqual(firstWords(await node3.exec(...curl('http://localhost:8080/'))), own);
  await node3.heal();
  await cluster.allReady();
  await everywhere(cluster, ids);
}

/** Its tasks are started elsewhere when its grace is over. */
async function nodeDies(cluster: Cluster): Promise<void> {
  const [node1, node3] = [cluster.node(1), cluster.node(3)];
  const others = await idsOn(node1, 'node1', 'node2');
  await node3.powerOff();
  await cluster.sees(node1, 'node3', 'down');
  await everywhere(cluster, others);
  await pollUntil('three tasks on two nodes', async () => {
    const tasks = (await node1.running('vote')).filter(({ node }) => node !== 'node3');
    return tasks.length === 3;
  }, { ...SOON, interval: 200 });
  await everywhere(cluster, (await node1.running('vote')).flatMap(({ id, node }) => (node === 'node3' ? [] : [id])));
  await node3.powerOn();
  await cluster.allReady();
  const now = await idsOn(node1);
  assert.equal(now.length, 3);
  await everywhere(cluster, now);
}
