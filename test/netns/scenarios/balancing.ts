/**
 * What a user says of a service's balancing, and what its clients see of it.
 */
import assert from 'node:assert/strict';
import type { TaskSummary } from '../../../agent/control.js';
import type { TaskObject } from '../../../overlay/model/object.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { pollUntil } from '../../support/poll-until.js';
import { HeldFlows } from './support/held.js';
import { MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';

/** Milliseconds by which two processes' notes of one moment may differ. */
const CLOCK_SLACK = 50;

async function startMesh(...options: string[]): Promise<MeshAgent> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  await vipmesh('service', 'create', '--name', 'web', '--network', 'overlay1', '--replicas', '2', ...options, '--', ...SERVE);
  return agent;
}

/** Which tasks answered so many requests of one client, by their ids. */
async function answers(requests: number): Promise<Map<string, number>> {
  const script = `for i in $(seq ${requests}); do curl -sS --max-time 20 http://web; done`;
  const text = await vipmesh('run', '--rm', '--network', 'overlay1', '--', 'sh', '-c', script);
  const counts = new Map<string, number>();
  for (const [id] of text.matchAll(/^[0-9a-f]{12}(?= )/gm)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

function idOf(tasks: readonly TaskObject[], slot: number): string {
  return tasks.find((task) => task.slot === slot)?.id ?? assert.fail(`no task has slot ${slot}`);
}

/** Weights, affinity and a bound on connections: each changed while the same tasks go on. */
export async function policies(): Promise<void> {
  const agent = await startMesh('--scheduler', 'wrr', '--endpoint-weight', '1=3');
  const tasks = await agent.settles('web', 2);
  const [one, two] = [idOf(tasks, 1), idOf(tasks, 2)];
  assert.deepEqual(await answers(40), new Map([[one, 30], [two, 10]]));

  await vipmesh('service', 'update', '--endpoint-weight', '1=0', 'web');
  assert.deepEqual(await answers(4), new Map([[two, 4]]), 'weight 0 takes no new flow');

  await vipmesh('service', 'update', '--scheduler', 'rr', '--endpoint-weight', '1', '--affinity', 'client-ip', 'web');
  assert.deepEqual([...(await answers(6)).values()], [6], 'one client, one task');

  await vipmesh('service', 'update', '--affinity', 'none', '--max-conns', '1', 'web');
  const held = HeldFlows.inTask('tcp', 'web', '7', '3');
  await held.until('two connections and a refusal', (flows) => flows.of('error').length === 1);
  assert.deepEqual(held.of('open').map(({ n }) => n), [1, 2]);
  const [refusal] = held.of('error');
  assert.equal(refusal?.n, 3);
  assert.equal(refusal?.code, 'ECONNREFUSED');
  assert.ok(refusal.afterMs < 1000, `refused at once, not after ${refusal.afterMs} ms`);
  const endpoints = (await agent.api.flows()).filter(({ service, state }) => service === 'web' && state === 'established').map(({ endpoint }) => endpoint);
  assert.equal(new Set(endpoints).size, 2, 'one each');
  await vipmesh('service', 'update', '--max-conns', '0', 'web');
  assert.deepEqual([...(await answers(4)).values()], [2, 2], 'beside those that are held');
  await held.end();

  assert.deepEqual((await agent.settles('web', 2)).map(({ id }) => id).sort(), [one, two].sort(), 'no task was replaced');
  await agent.stop();
}

/** A flow that outlasts the drain time is ended on both sides then, and not before. */
export async function drainTimeout(): Promise<void> {
  const timeout = 3000;
  const agent = await startMesh('-p', '7007:7', '--drain-timeout', `${timeout}ms`, '--stop-grace-period', '60s');
  const victim = (await agent.settles('web', 2)).find(({ slot }) => slot === 2) ?? assert.fail('it has no second task');
  const clients = [HeldFlows.inTask('tcp', 'web', '7', '2'), HeldFlows.onHost('tcp', '127.0.0.1', '7007', '2')];
  for (const client of clients) await client.until('two connections', (flows) => flows.of('open').length === 2);

  await vipmesh('service', 'scale', '--detach', 'web=1');
  const look = async (): Promise<TaskSummary | undefined> => (await agent.api.tasks()).find(({ id }) => id === victim.id);
  const draining = await pollUntil('it drains', async () => ((await look())?.flows === 2 ? look() : undefined), SOON);
  const stopping = Date.parse(draining.status.since);
  assert.match(await vipmesh('service', 'ps', 'web'), /^[0-9a-f]{12} +web\.2\..* Shutdown +Draining \(2 flows\) /m);
  assert.deepEqual((await agent.api.service('web')).draining, { tasks: 1, flows: 2 });

  for (const client of clients) {
    await client.until('a connection ends', (flows) => flows.of('error').length > 0);
    const [reset, ...more] = client.of('error');
    assert.deepEqual(more, [], 'the other goes on');
    assert.equal(reset?.code, 'ECONNRESET');
    const after = (reset?.at ?? 0) - stopping;
    assert.ok(after >= timeout - CLOCK_SLACK && after < timeout + 3000, `ended ${after} ms after it was told to stop`);
  }
  const ended = await pollUntil('it has ended', async () => ((task) => (task && isEnded(task) ? task : undefined))(await look()), SOON);
  assert.equal(ended.status.state, 'shutdown');
  assert.equal(ended.flows, undefined);
  assert.ok(Date.parse(ended.status.since) - stopping < timeout + 10_000, 'its grace was not needed');
  for (const client of clients) {
    assert.deepEqual(client.of('end'), []);
    await client.end();
  }
  await agent.stop();
}

/** A UDP client that keeps its port has its answers throughout a roll-out: of what it sends, no two in a row are lost. */
export async function rollOut(): Promise<void> {
  const agent = await startMesh('-p', '5353:5300/udp', '--drain-timeout', '2s');
  const before = (await agent.settles('web', 2)).map(({ id }) => id);
  const clients = [HeldFlows.inTask('udp', 'web', '5300', '50'), HeldFlows.onHost('udp', '127.0.0.1', '5353', '50')];
  for (const client of clients) await client.until('an answer', (flows) => flows.of('answer').length > 0);
  await vipmesh('service', 'update', '--env-add', 'A=1', 'web');
  await pollUntil('all tasks are new', async () => (await agent.settles('web', 2)).every(({ id }) => !before.includes(id)), { timeout: 90_000 });
  const after = (await agent.settles('web', 2)).map(({ id }) => id);
  for (const client of clients) {
    await client.until('answers of new tasks', (flows) => flows.of('answer').filter(({ by }) => after.includes(by)).length >= 10);
    await client.end();
    const answered = new Set(client.of('answer').map(({ n }) => n));
    const last = Math.max(...answered);
    const lost = client.of('sent').map(({ n }) => n).filter((n) => n < last && !answered.has(n));
    assert.deepEqual(lost.filter((n) => lost.includes(n + 1)), [], `lost: ${lost.join(' ')}`);
  }
  await agent.stop();
}
