/**
 * Two nodes and what they have in common: who of them leads, what becomes of one that is forgotten, what can be seen and done while etcd is
 * gone, and when it is older than it was; and a host that was alone, and brings its store along.
 */
import assert from 'node:assert/strict';
import type { ClusterNode } from '../../support/cluster-node.js';
import { Cluster, SOON } from '../../support/cluster.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { pollUntil } from '../../support/poll-until.js';
import { step } from './support/steps.js';

const SLEEP = ['sleep', '100000'];

/** The scenario. */
export async function stores(): Promise<void> {
  const cluster = await step('two nodes come up', () => Cluster.start({ nodes: 2 }));
  await step('both know both, and who leads', () => knowEachOther(cluster));
  await step('the leader is killed, forgotten, and is back', () => leaderDies(cluster));
  await step('etcd is gone', () => withoutEtcd(cluster));
  await step('etcd is older than it was', () => restored(cluster));
  await step('a store moves into etcd', () => migrated(cluster));
  await cluster.close();
}

async function leaderOf(observer: ClusterNode): Promise<string | undefined> {
  return (await observer.api.nodes()).find(({ leader }) => leader)?.hostname;
}

async function knowEachOther(cluster: Cluster): Promise<void> {
  const leader = await pollUntil('one leads', () => leaderOf(cluster.node(1)), SOON);
  for (const node of cluster.nodes) {
    const rows = (await node.cli('node', 'ls')).trimEnd().split('\n').map((line) => line.split(/\s+/));
    assert.deepEqual(rows.map((row) => row.slice(1)), [
      ['HOSTNAME', 'STATUS', 'AVAILABILITY', 'LEADER', 'ADDRESS', 'MODE', 'VERSION', 'PROBLEM'],
      ...cluster.nodes.map(({ name, address }) => [name, 'Ready', 'Active', ...(name === leader ? ['Leader'] : []), address, 'root', rows[1]?.at(-1)]),
    ]);
  }
  assert.match(await cluster.node(1).refused('node', 'rm', 'node2'), /^vipmesh: node 'node2' is up: stop its agent first/);
  assert.match(await cluster.node(1).refused('node', 'rm', 'node1'), /^vipmesh: node 'node1' is this one/);
}

/** Whoever is left leads, and what is asked of it is done. The dead node, when it is back, takes nothing that was given to others: it is a new one. */
async function leaderDies(cluster: Cluster): Promise<void> {
  const leader = cluster.node(await pollUntil('one leads', () => leaderOf(cluster.node(1)), SOON));
  const other = cluster.node(leader.name === 'node1' ? 2 : 1);
  await leader.cli('node', 'update', '--label-add', 'zone=b', leader.name);
  await other.cli('network', 'create', 'n1');
  await other.cli('service', 'create', '--name', 'web', '--network', 'n1', '--constraint', `node.hostname==${leader.name}`, '--', ...SLEEP);
  const [task] = await other.settles('web', 1);
  assert.equal(task?.node, leader.name);
  const pid = task.status.pid ?? assert.fail('it has a process');
  await leader.kill9();
  await pollUntil(`${other.name} leads`, async () => (await leaderOf(other)) === other.name, { ...SOON, interval: 50 });
  await cluster.sees(other, leader.name, 'down');
  await other.cli('service', 'create', '--name', 'late', '--', ...SLEEP);
  assert.deepEqual((await other.settles('late', 1)).map(({ node }) => node), [other.name]);

  assert.match(await other.refused('node', 'rm', leader.name), /in use by task 'web\.1\.\w+': they may still run there/);
  await other.cli('node', 'rm', '--force', leader.name);
  assert.deepEqual((await other.api.nodes()).map(({ hostname }) => hostname), [other.name]);
  const now = await other.api.task(task.id);
  assert.deepEqual([now.status.state, now.status.message], ['shutdown', `its node, ${leader.name}, was removed from the cluster`]);
  await leader.restart();
  await cluster.allReady();
  assert.deepEqual((await other.api.node(leader.name)).labels, {});
  await pollUntil('what ran there still is gone', async () => (await leader.attempt('kill', '-0', String(pid))).code !== 0, SOON);
  const [next] = await other.settles('web', 1);
  assert.deepEqual([next?.node, next?.id === task.id], [leader.name, false]);
  await other.cli('service', 'rm', 'web', 'late');
}

async function withoutEtcd(cluster: Cluster): Promise<void> {
  const [node1] = cluster.nodes as [ClusterNode];
  const [member] = cluster.etcd.members;
  await member?.kill();
  assert.match(await node1.refused('network', 'create', 'n2'), /^vipmesh: etcd at 192\.0\.2\.101:2379 does not answer: .+Look whether it runs \(etcdctl endpoint health\)/);
  for (const words of [['network', 'inspect', 'n1'], ['node', 'ls']]) {
    const { code, stdout, stderr } = await node1.vipmesh(...words).ended;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^vipmesh: the store is out of reach: this is what was known \d+s ago \('vipmesh status' says why\)\n$/);
    assert.match(stdout, words[0] === 'node' ? /node2 +Ready/ : /n1/);
  }
  const { store } = await node1.api.info();
  assert.deepEqual([store.kind, store.cluster, store.members, store.reachable], ['etcd', 'test', ['192.0.2.101:2379'], false]);
  member?.start();
  await pollUntil('it can be changed again', () => node1.api.createNetwork({ name: 'n2' }).then(() => true), { ...SOON, interval: 200 });
  const { code, stderr } = await node1.vipmesh('network', 'ls').ended;
  assert.deepEqual([code, stderr], [0, '']);
  await cluster.allReady();
}

/** What came after the copy is not there any more; what nobody had touched goes on as it was. */
async function restored(cluster: Cluster): Promise<void> {
  const [node1, node2] = [cluster.node(1), cluster.node(2)];
  await node1.cli('service', 'create', '--name', 'kept', '--network', 'n1', '--replicas', '2', '--', ...SLEEP);
  const kept = await node1.settles('kept', 2);
  await node1.cli('service', 'create', '--name', 'changed', '--network', 'n1', '--replicas', '2', '--', ...SLEEP);
  await node1.settles('changed', 2);
  const copy = await cluster.etcd.save();
  await node2.cli('service', 'create', '--name', 'late', '--', ...SLEEP);
  await node2.settles('late', 1);
  await node2.cli('service', 'update', '--env-add', 'A=1', 'changed');
  const since = await node2.settles('changed', 2);
  for (let i = 0; i < 20; i++) await node2.api.updateNode('node2', { labelsAdd: { i: String(i) } });
  await cluster.etcd.restore(copy);
  await pollUntil('the later service is forgotten', async () => (await Promise.all(cluster.nodes.map(({ api }) => api.services()))).every((services) => services.map(({ spec }) => spec.name).sort().join() === 'changed,kept'), { ...SOON, interval: 100 });
  await cluster.allReady();
  for (const node of cluster.nodes) assert.deepEqual((await node.settles('kept', 2)).map(({ id, status }) => [id, status.pid]).sort(), kept.map(({ id, status }) => [id, status.pid]).sort());
  await pollUntil('those that the store has as running have ended, and those that it does not know: there are others', async () => {
    const now = await node1.settles('changed', 2);
    const live = await Promise.all(now.map(({ node, status }) => cluster.node(node).attempt('kill', '-0', String(status.pid))));
    return live.every(({ code }) => code === 0) && now.every(({ id }) => !since.some((task) => task.id === id));
  }, { ...SOON, interval: 200 });
  await node1.cli('service', 'rm', 'changed');
  await pollUntil('its task is gone', async () => (await Promise.all(cluster.nodes.map(({ api }) => api.info()))).reduce((sum, { tasksRunning }) => sum + tasksRunning, 0) === 4, { ...SOON, interval: 100 });
  await node2.cli('service', 'create', '--name', 'again', '--', ...SLEEP);
  await node1.settles('again', 1);
}

/** The host's own: it has been alone so far, beside the cluster's agent. */
async function migrated(cluster: Cluster): Promise<void> {
  const node2 = cluster.node(2);
  await node2.stop();
  await pollUntil('node1 leads', async () => (await leaderOf(cluster.node(1))) === 'node1', SOON);
  await pollUntil('everybody knows that its tasks have ended', async () => (await cluster.node(1).api.tasks()).every((task) => task.node !== 'node2' || isEnded(task)), SOON);
  await cluster.node(1).cli('node', 'rm', 'node2');
  assert.deepEqual((await cluster.node(1).settles('kept', 2)).map(({ node }) => node), ['node1', 'node1']);
  const own = ['--state-dir', '/run/state/alone'];
  await node2.cli('up', ...own, '--detach');
  await node2.cli('network', 'create', ...own, 'home');
  await node2.cli('service', 'create', ...own, '--name', 'mine', '--network', 'home', '--', ...SLEEP);
  const list = async (): Promise<string> => node2.cli('task', 'ls', ...own, '--format', '{{.Name}} {{.Node}} {{.CurrentState}}');
  const [before] = (await list()).split(' Running');
  const to = ['--to', cluster.store, '--cluster', 'moved'];
  assert.match(await node2.refused('store', 'migrate', ...own, ...to), /already runs on/);
  await node2.cli('down', ...own);
  assert.match(await node2.cli('store', 'migrate', ...own, ...to), /^copied 2 networks, 1 services and 1 tasks \(\d+ keys\) to cluster 'moved', and read them back\n.+ is kept as it was\. Go on with: vipmesh up --state-dir \/run\/state\/alone --store /);
  assert.match(await node2.refused('store', 'migrate', ...own, ...to), /cluster 'moved' has \d+ keys in etcd already/);
  await node2.cli('up', ...own, '--detach', '--store', cluster.store, '--cluster', 'moved', '--advertise', node2.address);
  await pollUntil('the same task runs, in the cluster', async () => (await list()).split(' Running')[0] === before, { ...SOON, interval: 200 });
  assert.match(await node2.cli('node', 'ls', ...own), /node2 +Ready +Active +Leader +192\.0\.2\.2/);
  await node2.cli('down', ...own);
}
