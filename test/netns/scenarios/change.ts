/**
 * Change under traffic: what two clients that open a connection every 10 ms notice, one in a task that uses the VIP, the
 * other on the host that uses the published port.
 *
 * Scaling, an update and a failed health check are announced: nothing may fail. A task killed with SIGKILL is not: what was
 * given to it until the balancer knew is lost. So a connection may fail that was open when the task was killed, or was opened
 * before the task was listed as ended, and that has to come soon. Each of these belongs to the killed task, since the other
 * ones go on.
 */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { TaskObject } from '../../../overlay/model/object.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { pollUntil } from '../../support/poll-until.js';
import { MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';
import { SteadyClient, type Seen } from './support/steady.js';

/** A health check that fails for the task whose id is in the file's name. */
const SICK = '/run/tmp/sick-';
const HEALTH = ['--health-cmd', `test ! -e ${SICK}$HOSTNAME`, '--health-interval', '300ms', '--health-retries', '2'];
/** From a kill to the first look at which nothing can go to the killed task any more. Some 20 ms on an idle machine. */
const NOTICED_MS = 3000;
/** Of the client's clock against ours, and of the kill itself. */
const SLACK_MS = 50;

class Mesh {
  private constructor(
    readonly agent: MeshAgent,
    readonly vip: string,
  ) {}

  static async start(...options: string[]): Promise<Mesh> {
    const agent = await MeshAgent.up();
    await vipmesh('network', 'create', 'overlay1');
    await vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', ...options, '--', ...SERVE);
    return new Mesh(agent, await agent.vip('vote', 'overlay1'));
  }

  /** What the clients see while `change` happens and until the service has settled at `replicas`. */
  async during(what: string, change: () => Promise<unknown>, replicas = 2, replicasBefore = 2): Promise<{ before: TaskObject[]; after: TaskObject[]; seen: Seen[] }> {
    const before = await this.agent.settles('vote', replicasBefore);
    const published = (await this.agent.api.service('vote')).ports.length > 0;
    const clients = await Promise.all([SteadyClient.inTask('overlay1', 'vote', 80), ...(published ? [SteadyClient.onHost(8080)] : [])]);
    await change();
    const after = await this.agent.settles('vote', replicas);
    // Those that are there now have been seen by both: no client looks only at what was before.
    await pollUntil(`an answer of each task to each client after ${what}`, () => clients.every((client) => after.every(({ id }) => client.isAnsweredBy(id))), SOON);
    const seen = await Promise.all(clients.map((client) => client.stop()));
    assert.equal(await this.agent.vip('vote', 'overlay1'), this.vip, `${what}: the VIP stays`);
    for (const report of seen) assert.ok(report.attempts > 20, `${what}: only ${report.attempts} connections`);
    process.stdout.write(`${what}: ${seen.map(({ attempts, failures, slowestMs }) => `${attempts} connections, ${failures.length} failures, slowest ${slowestMs} ms`).join('; ')}\n`);
    return { before, after, seen };
  }

  async stop(): Promise<void> {
    await this.agent.stop();
  }
}

function noFailure(what: string, seen: readonly Seen[]): void {
  for (const { failures } of seen) assert.deepEqual(failures, [], what);
}

/** Ids of the tasks that answered. */
function answeredBy({ answers }: Seen): Set<string> {
  return new Set(Object.keys(answers).map((answer) => answer.split(' ')[0] ?? ''));
}

const ids = (tasks: readonly TaskObject[]): string[] => tasks.map((task) => task.id);

export async function change(): Promise<void> {
  const mesh = await Mesh.start('-p', '8080:80', ...HEALTH);
  await scaling(mesh);
  await update(mesh);
  await sickness(mesh);
  await murder(mesh);
  await mesh.stop();
}

async function scaling(mesh: Mesh): Promise<void> {
  const up = await mesh.during('scaling up', () => vipmesh('service', 'scale', 'vote=5'), 5);
  noFailure('scaling up', up.seen);
  for (const seen of up.seen) assert.ok(ids(up.after).every((id) => answeredBy(seen).has(id)), 'all five answered');
  const clients = await Promise.all([SteadyClient.inTask('overlay1', 'vote', 80), SteadyClient.onHost(8080)]);
  await vipmesh('service', 'scale', 'vote=2');
  await mesh.agent.settles('vote', 2);
  noFailure('scaling down', await Promise.all(clients.map((client) => client.stop())));
}

async function update(mesh: Mesh): Promise<void> {
  const { before, after, seen } = await mesh.during('an update', () => vipmesh('service', 'update', '--env-add', 'GENERATION=2', 'vote'));
  noFailure('an update', seen);
  assert.deepEqual(ids(after).filter((id) => ids(before).includes(id)), [], 'every task was replaced');
  assert.ok(after.every((task) => task.spec.env['GENERATION'] === '2'));
  // One by one: the second went only when the first one's successor served.
  const [first, second] = [...after].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
  assert.ok(first && second && Date.parse(second.createdAt) >= Date.parse(first.status.since), 'one after the other');
}

async function sickness(mesh: Mesh): Promise<void> {
  const [victim] = await mesh.agent.settles('vote', 2);
  assert.ok(victim);
  const { after, seen } = await mesh.during('a failed health check', async () => {
    writeFileSync(`${SICK}${victim.id}`, '');
    const ended = await untilEnded(mesh, victim);
    assert.equal(ended.status.state, 'failed');
    assert.match(ended.status.message ?? '', /^unhealthy: its health check failed/);
  });
  if (existsSync(`${SICK}${victim.id}`)) rmSync(`${SICK}${victim.id}`);
  noFailure('a failed health check', seen);
  assert.equal(ids(after).includes(victim.id), false, 'another one took its place');
}

async function murder(mesh: Mesh): Promise<void> {
  const [victim] = await mesh.agent.settles('vote', 2);
  const pid = victim?.status.pid;
  assert.ok(victim && pid !== undefined);
  let killedAt = 0;
  let noticedAt = 0;
  const { after, seen } = await mesh.during('a SIGKILL', async () => {
    killedAt = Date.now();
    // A rootless agent counts in the host's pid namespace too: only its user, network and mounts are its own.
    process.kill(pid, 'SIGKILL');
    await untilEnded(mesh, victim);
    noticedAt = Date.now();
  });
  assert.ok(noticedAt - killedAt < NOTICED_MS, `noticed after ${noticedAt - killedAt} ms`);
  for (const { failedAt, answers } of seen) {
    const other = failedAt.filter(({ at, until }) => until < killedAt - SLACK_MS || at > noticedAt + SLACK_MS);
    assert.deepEqual(other, [], `failures that are not of the killed task, which lasted from ${killedAt} to ${noticedAt}: ${JSON.stringify(answers)}`);
  }
  assert.equal(ids(after).includes(victim.id), false, 'another one took its place');
}

function untilEnded(mesh: Mesh, task: TaskObject): Promise<TaskObject> {
  return pollUntil(`${task.name} has ended`, async () => (await mesh.agent.api.serviceTasks('vote')).find((one) => one.id === task.id && isEnded(one)), { ...SOON, interval: 5 });
}

/** A service of one task that is never without one. */
async function startFirst(mesh: Mesh): Promise<void> {
  await vipmesh('service', 'scale', 'vote=1');
  const { before, after, seen } = await mesh.during('a start-first update', () => vipmesh('service', 'update', '--update-order', 'start-first', '--env-add', 'GENERATION=3', 'vote'), 1, 1);
  noFailure('a start-first update', seen);
  assert.deepEqual(ids(after).filter((id) => ids(before).includes(id)), [], 'it was replaced');
}

/** Without ports, nothing but the tasks themselves tells that they will listen. */
export async function updateWithoutPorts(): Promise<void> {
  const mesh = await Mesh.start();
  await update(mesh);
  await startFirst(mesh);
  await mesh.stop();
}
