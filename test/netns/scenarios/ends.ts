/**
 * How connections end that nobody closed, and how long those live on that are half closed.
 */
import assert from 'node:assert/strict';
import type { FlowSummary } from '../../../agent/control.js';
import type { TaskObject } from '../../../overlay/model/object.js';
import { pollUntil } from '../../support/poll-until.js';
import { HeldFlows } from './support/held.js';
import { processes } from './support/host-state.js';
import { Command, MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';

/** Milliseconds: the shortest that may be asked for. */
const ESTABLISHED = 10_000;
/** Milliseconds for what happens at once, and well below ESTABLISHED: nothing else ends a connection so early. */
const AT_ONCE = 5000;

async function startMesh(): Promise<MeshAgent> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  return agent;
}

const inTask = (...command: string[]): Command => Command.vipmesh('run', '--rm', '--network', 'overlay1', '--', ...command);

/** The flow of `agent` that fits, of those to port `port` of the VIP. */
function flowTo(agent: MeshAgent, port: number, fits: (flow: FlowSummary) => boolean): Promise<FlowSummary> {
  return pollUntil(`a flow to port ${port}`, async () => (await agent.api.flows()).find((flow) => flow.vip.endsWith(`:${port}`) && fits(flow)), SOON);
}

/**
 * A task is killed: its downloads end by a reset at once, and its UDP clients are answered by another. A connection on which
 * nothing was said for longer than it may is reset on both sides. So are all that a service has when it is removed.
 */
export async function abandoned(): Promise<void> {
  const agent = await startMesh();
  await vipmesh('service', 'create', '--name', 'web', '--network', 'overlay1', '--replicas', '2', '--flow-timeout', `established=${ESTABLISHED}ms`, '--', ...SERVE);
  const tasks = await agent.settles('web', 2);
  const taskOf = ({ endpoint }: FlowSummary): TaskObject => tasks.find(({ addresses }) => endpoint.startsWith(`${addresses[0]?.address ?? ''}:`)) ?? assert.fail(`${endpoint} is no task`);

  const [victim = assert.fail(), survivor = assert.fail()] = tasks;
  const reaches = (port: number, task: TaskObject): Promise<FlowSummary> => flowTo(agent, port, (flow) => flow.state === 'established' && taskOf(flow) === task);

  // Two of each: one for each task.
  const asking = [1, 2].map(() => HeldFlows.inTask('udp', 'web', '5300', '20'));
  // Both have a flow before anybody else comes: so the next two have one for each task again.
  for (const flows of asking) await flows.until('an answer', () => flows.of('answer').length > 0);
  const asker = await pollUntil('a UDP client of the victim', () => asking.find((flows) => flows.of('answer').some(({ by }) => by === victim.id)), SOON);
  // As fast as they can: what a slow reader has not read yet it reads before it learns of a reset.
  const downloads = [1, 2].map(() => inTask('curl', '-s', '-o', '/dev/null', `http://web/blob/${2 ** 40}`));
  for (const task of tasks) await reaches(80, task);
  const silent = HeldFlows.inTask('tcp', 'web', '7', '2');
  await silent.until('two connections', (flows) => flows.of('open').length === 2);

  const [pid, ...more] = processes((words) => words.some((word) => word.endsWith('/endpoint-server.js')) && words.includes(victim.id));
  assert.ok(pid !== undefined && more.length === 0);
  const killed = Date.now();
  process.kill(pid, 'SIGKILL');
  const { code } = await Promise.race(downloads.map((download) => download.ended));
  const cut = Date.now() - killed;
  assert.ok(code === 56 || code === 18, `curl: reset, or closed too early by what is left of the task, not ${code}`);
  assert.ok(cut < AT_ONCE, `at once, not after ${cut} ms`);
  // Of a connection on which it says nothing, a client sees the end that came first: the dead task's own, or the reset.
  await silent.until('a connection ends', (flows) => flows.of('end').length + flows.of('error').length === 1);
  const [first = assert.fail()] = [...silent.of('end'), ...silent.of('error')];
  const ended = first.at - killed;
  assert.ok(ended < AT_ONCE, `at once, not after ${ended} ms`);
  await pollUntil('none of its flows is left', async () => (await agent.api.flows()).every(({ endpoint }) => !endpoint.startsWith(`${victim.addresses[0]?.address ?? ''}:`)), { timeout: AT_ONCE });
  await asker.until('an answer by another', (flows) => flows.of('answer').some(({ by }) => by !== victim.id));
  const moved = (asker.of('answer').find(({ by }) => by !== victim.id)?.at ?? 0) - killed;
  assert.ok(moved < AT_ONCE, `answered again at once, not after ${moved} ms`);
  process.stdout.write(`after SIGKILL of a task: a download ends in ${cut} ms, a silent connection in ${ended} ms, a UDP client answered by another in ${moved} ms\n`);
  for (const flows of asking) await flows.end();
  const unfinished = downloads.filter(({ child }) => child.exitCode === null);
  assert.equal(unfinished.length, 1, 'the other goes on');
  for (const download of unfinished) {
    download.child.kill('SIGTERM');
    await download.ended;
  }

  await silent.until('the silent connection ends', (flows) => flows.of('error').some(({ n }) => n !== first.n));
  const error = silent.of('error').find(({ n }) => n !== first.n);
  assert.deepEqual([error?.code, error?.opened], ['ECONNRESET', true]);
  const after = error?.afterMs ?? 0;
  assert.ok(after >= ESTABLISHED - 200 && after < 2 * ESTABLISHED, `after ${after} ms`);
  const held = (): Promise<string> => vipmesh('exec', survivor.id, '--', 'ss', '-Htn', 'state', 'established', 'sport = :7');
  await pollUntil('the endpoint has none of it', async () => (await held()) === '', SOON);
  await silent.end();

  await agent.settles('web', 2);
  const left = HeldFlows.inTask('tcp', 'web', '7', '2');
  await left.until('two connections', (flows) => flows.of('open').length === 2);
  await vipmesh('service', 'rm', 'web');
  await left.areReset();
  await left.end();
  await agent.stop();
}

/** Milliseconds. */
const HALF_CLOSED = 90_000;

/** Answers a word so long after the client has said all that it had to say. */
const LATE = `require('node:net').createServer({ allowHalfOpen: true }, (socket) => socket.resume().on('end', () => setTimeout(() => socket.end('late'), ${HALF_CLOSED}))).listen(9)`;

/** A connection that is half closed has the time of an established one, not of one that is ending (RFC 5382, REQ-5; RFC 1122 4.2.2.13). */
export async function halfClosed(): Promise<void> {
  const agent = await startMesh();
  await vipmesh('service', 'create', '--name', 'patient', '--network', 'overlay1', '--flow-timeout', 'transitory=10s', '--', process.execPath, '-e', LATE);
  const begun = performance.now();
  const client = inTask('sh', '-c', `nc -N -w ${(2 * HALF_CLOSED) / 1000} patient 9 < /dev/null`);
  const { code, stdout, stderr } = await client.ended;
  assert.deepEqual([code, stdout], [0, 'late'], stderr);
  assert.ok(performance.now() - begun >= HALF_CLOSED);
  await agent.stop();
}
