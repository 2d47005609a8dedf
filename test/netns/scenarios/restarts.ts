/**
 * Tasks that end by themselves: back-off, restart conditions, what `service ps` keeps and says, and their logs.
 */
import assert from 'node:assert/strict';
import type { TaskObject } from '../../../overlay/model/object.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { pollUntil } from '../../support/poll-until.js';
import { Command, MeshAgent, refused, run, SOON, vipmesh } from './support/mesh-agent.js';

/** Of the first restart, in milliseconds. */
const DELAY = 200;
/** The last this many ended tasks of a slot stay listed. */
const KEPT = 5;

export async function backOff(): Promise<void> {
  const agent = await MeshAgent.up();
  const create = (name: string, ...more: string[]): Promise<string> =>
    vipmesh('service', 'create', '--detach', '--name', name, '--restart-delay', `${DELAY}ms`, ...more);
  // From the beginning: on a busy machine the first attempts may be forgotten by the time that the other services are there.
  const watched = watchAttempts(agent, KEPT + 2);
  await create('failing', '--', 'sh', '-c', 'echo attempt of $HOSTNAME; echo trouble >&2; exit 3');
  const follower = Command.vipmesh('service', 'logs', '-f', 'failing');
  await create('never', '--restart-condition', 'none', '--', 'sh', '-c', 'exit 1');
  await create('once', '--restart-condition', 'on-failure', '--', 'true');
  await create('again', '--restart-condition', 'on-failure', '--restart-max-attempts', '2', '--', 'false');

  const seen = await watched;
  const starts = seen.map((task) => Date.parse(task.createdAt));
  const ends = seen.map((task) => Date.parse(task.status.since));
  for (let attempt = 1; attempt < seen.length; attempt++) {
    const waited = (starts[attempt] ?? 0) - (ends[attempt - 1] ?? 0);
    const wanted = DELAY * 2 ** (attempt - 1);
    assert.ok(waited >= wanted - 1 && waited < wanted + 2000, `attempt ${attempt + 1} came after ${waited} ms, not ${wanted}`);
  }

  const listed = (await agent.api.serviceTasks('failing')).filter(isEnded);
  assert.ok(listed.length <= KEPT, `${listed.length} ended tasks are listed`);
  const table = await vipmesh('service', 'ps', '--no-trunc', 'failing');
  assert.equal(table.match(/exited with status 3/g)?.length, listed.length, table);
  const newest = listed[0] ?? assert.fail('none is listed');
  assert.equal(await vipmesh('task', 'logs', newest.id), `attempt of ${newest.id}\ntrouble\n`, 'the output of an ended task');
  const logs = await vipmesh('service', 'logs', 'failing');
  for (const task of listed) assert.ok(logs.includes(`attempt of ${task.id}`), logs);
  for (const task of seen) await follower.says(`attempt of ${task.id}`);
  follower.child.kill('SIGINT');
  assert.equal((await follower.ended).code, 0);

  // By now each has had the time for many more attempts than it is allowed.
  const states = async (service: string): Promise<string[]> => (await agent.api.serviceTasks(service)).map((task) => task.status.state);
  assert.deepEqual(await states('never'), ['failed']);
  assert.deepEqual(await states('once'), ['complete']);
  assert.deepEqual(await states('again'), ['failed', 'failed', 'failed']);
  await agent.stop();
}

/** The first `count` tasks of `failing`, in their order, each as it ended. */
async function watchAttempts(agent: MeshAgent, count: number): Promise<TaskObject[]> {
  const seen = new Map<string, TaskObject>();
  await pollUntil(
    `${count} attempts`,
    async () => {
      for (const task of await agent.api.serviceTasks('failing')) if (isEnded(task)) seen.set(task.id, task);
      return seen.size >= count;
    },
    SOON,
  );
  return [...seen.values()].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
}

export async function commandNotFound(): Promise<void> {
  const agent = await MeshAgent.up();
  const said = await refused('service', 'create', '--name', 'lost', '--restart-delay', '50ms', '--', '/no/such/program');
  assert.match(said, /lost\.1\.\w{12} does not start: exec: "\/no\/such\/program": stat \/no\/such\/program: no such file or directory/);
  const table = await vipmesh('service', 'ps', '--no-trunc', 'lost');
  assert.match(table, /exec: "\/no\/such\/program": stat \/no\/such\/program: no such file or directory/);
  const [task] = (await agent.api.serviceTasks('lost')).filter(isEnded);
  assert.equal(task?.status.exitCode, 127);
  // An update to a command that exists needs no clean-up first.
  await vipmesh('service', 'update', 'lost', '--', 'sleep', 'infinity');
  assert.equal((await agent.settles('lost', 1)).length, 1);
  assert.equal((await run('run', '--rm', '--', '/no/such/program')).code, 127);
  await agent.stop();
}
