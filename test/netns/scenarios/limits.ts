/**
 * What is used up, in use or gone: pools, networks that have users, services that were removed, and many services at once.
 */
import assert from 'node:assert/strict';
import { isEnded } from '../../../overlay/model/task-state.js';
import { pollUntil } from '../../support/poll-until.js';
import { links, pinnedNamespaces, processes } from './support/host-state.js';
import { Command, MeshAgent, refused, run, SERVE, SOON, vipmesh, type Outcome } from './support/mesh-agent.js';

/** A /29 has 6 host addresses; one is the gateway's and one the balancer's. */
export async function smallPool(): Promise<void> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', '--subnet', '10.9.0.0/29', 'tiny');
  await vipmesh('network', 'create', 'roomy');
  await vipmesh('service', 'create', '--name', 'other', '--network', 'roomy', '-p', '8080:80', '--', ...SERVE);
  // The VIP and three tasks are the other four.
  await vipmesh('service', 'create', '--name', 'full', '--network', 'tiny', '--replicas', '3', '--restart-delay', '100ms', '--', 'sleep', 'infinity');
  const pool = /network 'tiny' has no free address: all 5 of its pool 10\.9\.0\.0\/29 are in use; scale down, or use a network with a larger subnet/;
  assert.match(await refused('service', 'create', '--name', 'late', '--network', 'tiny', '--', 'sleep', 'infinity'), pool);
  assert.match(await refused('run', '--rm', '--network', 'tiny', '--', 'true'), pool);
  assert.equal((await agent.api.services()).some(({ spec }) => spec.name === 'late'), false, 'nothing half-made remains');
  const unscaled = await refused('service', 'scale', '--timeout', '3s', 'full=4');
  assert.match(unscaled, /3 of 4 tasks run after 3s/);
  assert.match(unscaled, pool);

  // The others go on, and may change.
  assert.equal((await new Command('curl', ['-sS', '-m', '5', '127.0.0.1:8080']).ended).code, 0);
  await vipmesh('service', 'scale', 'other=2');
  assert.equal((await agent.settles('full', 3)).length, 3);

  // Room that was made is used at once, by what waits for it.
  const [victim] = await agent.settles('full', 3);
  assert.ok(victim);
  process.kill(victim.status.pid ?? 0, 'SIGKILL');
  await pollUntil('it has ended', async () => (await agent.api.serviceTasks('full')).every((task) => task.id !== victim.id || isEnded(task)), SOON);
  await vipmesh('service', 'scale', 'full=3');
  const tasks = await agent.settles('full', 3);
  assert.equal(tasks.some(({ id }) => id === victim.id), false);
  assert.deepEqual(new Set(tasks.map((task) => task.addresses[0]?.address)).size, 3);
  await agent.stop();
}

export async function inUse(): Promise<void> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', '--subnet', '10.9.0.0/29', 'tiny');
  await vipmesh('service', 'create', '--name', 'vote', '--network', 'tiny', '--replicas', '2', '-p', '8080:80', '--', ...SERVE);
  assert.match(await refused('network', 'rm', 'tiny'), /network 'tiny' is in use by .*vote.*: remove these first/);
  assert.match(await refused('network', 'rm', 'ingress'), /the ingress network cannot be removed/);
  const vip = await agent.vip('vote', 'tiny');

  const client = Command.vipmesh('run', '--network', 'tiny', '--name', 'client', '--', 'sleep', '1000');
  await pollUntil('the client', async () => (await agent.api.tasks()).some(({ name, status }) => name === 'client' && status.state === 'running'), SOON);
  const curl = (target: string): Promise<Outcome> => run('exec', 'client', '--', 'curl', '-sS', '-m', '5', target);
  assert.equal((await curl(vip)).code, 0);
  await vipmesh('service', 'rm', 'vote');
  // Refused (7) or, the address being nobody's, unreachable (7 as well); never 28, a time-out.
  assert.equal((await curl(vip)).code, 7, 'a VIP that is gone refuses');
  const nameless = await curl('vote');
  assert.equal(nameless.code, 6, `and has no name: ${nameless.stderr}`);
  assert.equal((await new Command('curl', ['-s', '-m', '5', '127.0.0.1:8080']).ended).code, 7, 'nor its published port');
  assert.match(await refused('network', 'rm', 'tiny'), /network 'tiny' is in use by .*client.*: remove these first/);

  // Five addresses for six services in a row: each takes what an earlier one gave back.
  const vips: string[] = [];
  for (let i = 0; i < 6; i++) {
    const { id } = await agent.api.createService({ name: `short${i}`, replicas: 0, task: { command: ['true'] }, networks: [{ network: 'tiny', aliases: [] }] });
    vips.push(await agent.vip(id, 'tiny'));
    await agent.api.removeService(id);
  }
  assert.ok(vips.includes(vip), `${vip} is used again: ${vips.join(' ')}`);

  client.child.kill('SIGTERM');
  await client.ended;
  await vipmesh('task', 'rm', 'client');
  await vipmesh('network', 'rm', 'tiny');
  await pollUntil('no namespace but that of ingress', () => pinnedNamespaces().every((name) => name.endsWith('-ingress')), SOON);
  await agent.stop();
}

const MANY = 50;

export async function many(): Promise<void> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  // The agent answers before it has made the network's sandbox, with a few programs that come and go.
  const sandbox = await pollUntil('its sandbox', () => pinnedNamespaces().find((name) => name.endsWith('-overlay1') && links(name).includes('vip0')), SOON);
  const running = (): number => processes(([program]) => program !== 'ip').length;
  const before = { namespaces: pinnedNamespaces(), processes: running() };
  const names = Array.from({ length: MANY }, (_, i) => `cheap${i}`);
  const begin = performance.now();
  const task = { command: ['sleep', 'infinity'] };
  await Promise.all(names.map((name) => agent.api.createService({ name, task, networks: [{ network: 'overlay1', aliases: [] }] })));
  await pollUntil(`${MANY} tasks`, async () => (await agent.api.info()).tasksRunning === MANY, { timeout: 90_000, interval: 200 });
  process.stdout.write(`${MANY} services run after ${Math.round(performance.now() - begin)} ms\n`);
  assert.equal(pinnedNamespaces().length, before.namespaces.length + MANY);
  assert.equal(links(sandbox).length, MANY + 1, 'a veth each, and vip0');
  assert.match(await vipmesh('run', '--rm', '--network', 'overlay1', '--', 'getent', 'hosts', 'cheap0', `cheap${MANY - 1}`), /cheap0\n.*cheap49\n/);

  await vipmesh('service', 'rm', ...names);
  await pollUntil('no task', async () => (await agent.api.tasks()).length === 0, { timeout: 90_000, interval: 200 });
  process.stdout.write(`and are gone after ${Math.round(performance.now() - begin)} ms\n`);
  await pollUntil('no namespace of theirs', () => pinnedNamespaces().length === before.namespaces.length, SOON);
  assert.deepEqual(pinnedNamespaces(), before.namespaces);
  assert.deepEqual(links(sandbox), ['vip0']);
  await pollUntil('no process of theirs', () => running() === before.processes, SOON);
  await agent.stop();
}
