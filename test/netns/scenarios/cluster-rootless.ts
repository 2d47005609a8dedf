/**
 * A node without root in a cluster with one of root's: it reaches an etcd of three members, over TLS and by name, through its gateway.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { childrenOf } from '../../../agent/tasks/process-tree.js';
import { SERVE } from '../../support/cluster-node.js';
import { Cluster, SOON } from '../../support/cluster.js';
import { pollUntil } from '../../support/poll-until.js';
import { answeredBy } from './support/cluster-clients.js';
import { step } from './support/steps.js';

const up = ['--offload', 'never'];

export async function member(): Promise<void> {
  const cluster = await step('a node of root\'s, one of a user\'s, three members of etcd', () => Cluster.start({ nodes: 2, etcd: 3, rootless: [2], secured: true, up }));
  const [root, user] = [cluster.node(1), cluster.node(2)];
  await step('it is listed', async () => {
    for (const node of cluster.nodes) assert.match(await node.cli('node', 'ls'), new RegExp(`${user.name} +Ready +Active +(Leader +)?${user.address} +rootless `));
    await root.cli('network', 'create', 'overlay1');
    assert.match(await user.refused('network', 'create', '--opt', 'encrypted', 'secret'), /network secret cannot be encrypted: this agent is rootless/);
  });
  let ids: string[] = [];
  await step('it gets tasks, and answers for them on published ports', async () => {
    await root.cli('service', 'create', '--name', 'web', '--network', 'overlay1', '--replicas', '2', '--constraint', `node.hostname==${user.name}`, '-p', '8080:80', '--', ...SERVE);
    const tasks = await root.settles('web', 2);
    assert.deepEqual(tasks.map(({ node }) => node), [user.name, user.name]);
    ids = tasks.map(({ id }) => id);
    for (const from of cluster.nodes) await answeredBy(from, `http://${user.name}:8080/`, ids);
  });
  await step('without the first member of etcd it goes on, and without the second when that is back', async () => {
    const [first, second] = cluster.etcd.members;
    await first?.kill();
    await user.cli('service', 'scale', '--detach', 'web=3');
    await root.settles('web', 3);
    first?.start();
    await pollUntil('the first is back', () => cluster.etcd.ctl('endpoint', 'health').then(() => true), SOON);
    await second?.kill();
    await root.cli('service', 'scale', '--detach', 'web=2');
    ids = (await user.settles('web', 2)).map(({ id }) => id);
    await cluster.allReady();
    second?.start();
  });
  await step('its inner process dies, and the next one is the same node with the same tasks', async () => {
    const [inner = assert.fail('there is none')] = childrenOf(user.agentPid);
    process.kill(inner, 'SIGKILL');
    await pollUntil('it is dead', () => !existsSync(`/proc/${inner}`), SOON);
    await pollUntil('its tasks are back', async () => (await user.running('web').catch(() => [])).length === 2, { ...SOON, interval: 100 });
    assert.deepEqual((await user.settles('web', 2)).map(({ id }) => id).sort(), [...ids].sort());
    await answeredBy(root, `http://${user.name}:8080/`, ids);
    await cluster.allReady();
  });
  await step('it leaves in order', async () => {
    await user.stop();
    await cluster.sees(root, user.name, 'down');
  });
  await cluster.close();
}
