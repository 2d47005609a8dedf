/**
 * A task that is scaled away: its streams go on until they end or the grace does, and no new flow reaches it.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { TaskObject } from '../../../overlay/model/object.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { blobHash } from '../../support/endpoint-server.js';
import { pollUntil } from '../../support/poll-until.js';
import { processes } from './support/host-state.js';
import { Command, MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';
import { SteadyClient } from './support/steady.js';

/** Bytes. Far more than the socket buffers on the way hold, so that the sender cannot be done before the receiver is. */
const BLOB = 48 << 20;
/** Bytes per second that curl takes, so that there is time to stop it. */
const RATE = 8 << 20;

/** Milliseconds by which two processes' notes of one moment may differ. */
const CLOCK_SLACK = 50;

const FROM = ['task', 'host'] as const;
type From = (typeof FROM)[number];

/** A download that can be held up, of the VIP by a task or of the published port by the host. */
class Download {
  static #count = 0;
  readonly #file = `/run/tmp/download-${Download.#count++}`;
  readonly command: Command;
  /** Its exit code, and when it ended in milliseconds since the epoch. */
  readonly ended: Promise<{ code: number | null; at: number }>;

  constructor(from: From, bytes: number) {
    const target = from === 'host' ? '127.0.0.1:8080' : 'vote';
    const curl = ['curl', '-s', '--limit-rate', `${RATE}`, '-o', this.#file, `http://${target}/blob/${bytes}`];
    this.command = from === 'host' ? new Command('curl', curl.slice(1)) : Command.vipmesh('run', '--rm', '--network', 'overlay1', '--', ...curl);
    this.ended = this.command.ended.then(({ code }) => ({ code, at: Date.now() }));
  }

  /** Once it has begun, stops taking from it until resume(). */
  async pause(): Promise<void> {
    await pollUntil(`${this.#file} has begun`, () => statSync(this.#file).size > 0, { ...SOON, interval: 5 });
    this.#signal('SIGSTOP');
    assert.ok(statSync(this.#file).size < BLOB, 'it was too fast to be held up');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  #signal(signal: NodeJS.Signals): void {
    const [pid, ...more] = processes((words) => words[0] === 'curl' && words.includes(this.#file));
    assert.ok(pid !== undefined && more.length === 0);
    process.kill(pid, signal);
  }

  async hash(): Promise<string> {
    const hash = createHash('sha256');
    await pipeline(createReadStream(this.#file), hash);
    return hash.digest('hex');
  }
}

async function startMesh(replicas: number, grace: string): Promise<MeshAgent> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  const options = ['--network', 'overlay1', '--replicas', `${replicas}`, '-p', '8080:80', '--stop-grace-period', grace];
  await vipmesh('service', 'create', '--name', 'vote', ...options, '--', ...SERVE);
  return agent;
}

/** How `task` is reached right now: `tun` and `relay`, once for each of its established flows. */
async function pathsTo(agent: MeshAgent, task: TaskObject): Promise<string[]> {
  const isIts = (endpoint: string): boolean => task.addresses.some(({ address }) => endpoint.startsWith(`${address}:`));
  return (await agent.api.flows()).filter(({ endpoint, state }) => isIts(endpoint) && state === 'established').map(({ path }) => path);
}

async function reachedBothWays(agent: MeshAgent, task: TaskObject): Promise<boolean> {
  const paths = await pathsTo(agent, task);
  return paths.includes('tun') && paths.includes('relay');
}

/** Waits until the task is as `fits` says, and answers it. */
function becomes(agent: MeshAgent, { id, name }: TaskObject, what: string, fits: (task: TaskObject) => boolean): Promise<TaskObject> {
  return pollUntil(`${name} ${what}`, async () => (await agent.api.tasks()).find((task) => task.id === id && fits(task)), SOON);
}

const isStopping = (agent: MeshAgent, task: TaskObject): Promise<TaskObject> => becomes(agent, task, 'is stopping', ({ status }) => status.state === 'stopping');
const hasEnded = (agent: MeshAgent, task: TaskObject): Promise<TaskObject> => becomes(agent, task, 'has ended', isEnded);

export async function draining(): Promise<void> {
  const grace = 40_000;
  const agent = await startMesh(2, `${grace}ms`);
  const victim = (await agent.settles('vote', 2)).find(({ slot }) => slot === 2);
  assert.ok(victim);
  // Two from each side: round robin gives one of them to each task.
  const downloads = [...FROM, ...FROM].map((from) => new Download(from, BLOB));
  await Promise.all(downloads.map((download) => download.pause()));
  await pollUntil('a stream on each path', () => reachedBothWays(agent, victim), SOON);

  const clients = await Promise.all([SteadyClient.inTask('overlay1', 'vote', 80), SteadyClient.onHost(8080)]);
  const told = Date.now();
  await vipmesh('service', 'scale', '--detach', 'vote=1');
  const stopping = Date.parse((await isStopping(agent, victim)).status.since);
  await pollUntil('further new flows', () => Date.now() > stopping + 500, SOON);
  assert.ok(await reachedBothWays(agent, victim), 'it keeps its streams');
  for (const download of downloads) download.resume();
  const ends = await Promise.all(downloads.map((download) => download.ended));
  const seen = await Promise.all(clients.map((client) => client.stop()));
  for (const { code } of ends) assert.equal(code, 0);
  for (const { failures, lastAt, startedAt } of seen) {
    assert.deepEqual(failures, []);
    const [answer = assert.fail('it had no flow of theirs before')] = Object.keys(lastAt).filter((text) => text.startsWith(victim.id));
    const last = startedAt + (lastAt[answer] ?? 0);
    assert.ok(last <= stopping + CLOCK_SLACK, `a new flow ${last - stopping} ms after it was told to stop`);
    assert.ok(startedAt + Math.max(...Object.values(lastAt)) > stopping + CLOCK_SLACK, 'and there were new flows after that');
  }
  const expected = blobHash(BLOB);
  for (const download of downloads) assert.equal(await download.hash(), expected);

  assert.equal((await hasEnded(agent, victim)).status.state, 'shutdown');
  assert.ok(Date.now() - told < grace, 'it did not wait for the end of the grace, once its flows had ended');
  await agent.stop();
}

/** Ignores SIGTERM, and so do its children, one of which has a session of its own. */
const STUBBORN = `trap '' TERM; setsid sleep 98765 & while :; do sleep 98764; done`;
const isStubborn = ([program, seconds]: readonly string[]): boolean => program === 'sleep' && (seconds === '98765' || seconds === '98764');

export async function grace(): Promise<void> {
  const agent = await startMesh(1, '3s');
  const [victim] = await agent.settles('vote', 1);
  assert.ok(victim);
  const downloads = FROM.map((from) => new Download(from, 2 ** 40));
  await pollUntil('a stream on each path', () => reachedBothWays(agent, victim), SOON);
  const told = Date.now();
  await vipmesh('service', 'scale', '--detach', 'vote=0');
  await isStopping(agent, victim);
  const refusal = await new Command('curl', ['-sS', '-m', '2', '127.0.0.1:8080']).ended;
  assert.ok([7, 52, 56].includes(refusal.code ?? 0), `without an endpoint a port refuses at once, not: ${refusal.stderr}`);
  for (const download of downloads) {
    const { code, at } = await download.ended;
    assert.notEqual(code, 0);
    assert.ok(at - told >= 3000 && at - told < 15_000, `cut after ${at - told} ms`);
  }
  await hasEnded(agent, victim);


  await vipmesh('service', 'create', '--name', 'stubborn', '--stop-grace-period', '2s', '--', 'sh', '-c', STUBBORN);
  const [stubborn] = await agent.settles('stubborn', 1);
  assert.ok(stubborn);
  await pollUntil('its processes', () => processes(isStubborn).length === 2, SOON);
  await vipmesh('service', 'scale', '--detach', 'stubborn=0');
  const stopping = await isStopping(agent, stubborn);
  const ended = await hasEnded(agent, stubborn);
  assert.deepEqual(processes(isStubborn), [], 'its whole tree is gone');
  const lasted = Date.parse(ended.status.since) - Date.parse(stopping.status.since);
  assert.ok(lasted >= 1900 && lasted < 8000, `killed ${lasted} ms after SIGTERM`);
  assert.equal(ended.status.exitCode, 137);
  assert.equal(ended.status.state, 'shutdown');
  await agent.stop();
}
