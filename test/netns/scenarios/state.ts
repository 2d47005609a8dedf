/**
 * What survives the agent: killed at moments that nobody chose, or stopped in order, it comes up again with the same
 * networks, services, VIPs, ports, tasks and addresses. As root a killed agent's tasks go on meanwhile, and are adopted
 * (survival.ts has more of that); what else the old one left is gone.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { resolvePaths } from '../../../agent/lifecycle/paths.js';
import { isInProgress } from '../../../overlay/service/rollout.js';
import { pollUntil } from '../../support/poll-until.js';
import { descendants, hostState, pinnedNamespaces, processes, survivors } from './support/host-state.js';
import { assertGoesOn, assertKept, assertNothingDoubled, assertNothingLeaked, kept, processesOf, settledTasks, strays, type Kept } from './support/kept.js';
import { Command, MeshAgent, refused, SERVE, SOON, vipmesh } from './support/mesh-agent.js';
import { SteadyClient } from './support/steady.js';

const SEED = 20240613;
/** No round begins later than this, in milliseconds, once so many were done. */
const ENOUGH_TIME = 35_000;
const ENOUGH_ROUNDS = 5;

const paths = resolvePaths({ env: process.env, uid: process.getuid?.() ?? 0 });

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function createStack(): Promise<void> {
  await vipmesh('network', 'create', 'overlay1');
  await vipmesh('network', 'create', 'overlay2');
  await vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', '-p', '8080:80', '--', ...SERVE);
  await vipmesh('service', 'create', '--name', 'idle', '--network', 'overlay1', '--network', 'overlay2', '--', 'sleep', 'infinity');
}

/** Waits until every service runs as asked, nothing else does, and no update is watched any more. */
async function settled(agent: MeshAgent): Promise<Kept> {
  for (const { spec } of await agent.api.services()) await agent.settles(spec.name, spec.replicas);
  await pollUntil('no update is under way', async () => !(await agent.api.services()).some(isInProgress), SOON);
  await pollUntil('one-off tasks are gone', async () => (await agent.api.tasks()).every((task) => task.serviceId !== undefined), SOON);
  return kept(agent);
}

/** Ids of the tasks that answer on the published port. */
async function curl(times: number): Promise<string[]> {
  const answers = [];
  for (let i = 0; i < times; i++) {
    const { code, stdout, stderr } = await new Command('curl', ['-sS', '-m', '5', '127.0.0.1:8080']).ended;
    assert.equal(code, 0, stderr);
    answers.push(stdout.split(' ')[0] ?? '');
  }
  return answers;
}

async function assertServes(agent: MeshAgent): Promise<void> {
  const tasks = (await agent.settles('vote', 2)).map(({ id }) => id);
  assert.deepEqual((await curl(2)).sort(), tasks.sort(), 'the published port');
  const script = 'curl -sS -m 5 vote; curl -sS -m 5 vote';
  const output = await vipmesh('run', '--rm', '--network', 'overlay1', '--', 'sh', '-c', script);
  assert.deepEqual(output.trim().split('\n').map((line) => line.split(' ')[0]).sort(), tasks, 'the VIP');
}

/** A change that is under way when the agent dies, and the service that it may have changed. */
interface Disturbance {
  readonly name: string;
  readonly touches?: string;
  readonly command: readonly string[];
}

/** In the order of the rounds. */
const DISTURBANCES: readonly Disturbance[] = [
  { name: 'creating a service', touches: 'extra', command: ['service', 'create', '--name', 'extra', '--network', 'overlay1', '-p', '8100:80', '--replicas', '2', '--', 'sleep', 'infinity'] },
  { name: 'scaling', touches: 'idle', command: ['service', 'scale', 'idle=3'] },
  { name: 'updating', touches: 'idle', command: ['service', 'update', '--env-add', 'GENERATION=2', 'idle'] },
  { name: 'a one-off task', command: ['run', '--rm', '--name', 'visitor', '--network', 'overlay2', '--', 'sleep', '1000'] },
  // Unless the first one came to nothing.
  { name: 'removing a service', touches: 'extra', command: ['service', 'rm', 'extra'] },
  { name: 'creating a network', command: ['network', 'create', 'overlay3'] },
];

export async function killedAgain(): Promise<void> {
  const random = randomNumbers(SEED);
  const begin = performance.now();
  const before = hostState();
  let agent = await MeshAgent.up();
  await createStack();
  let known = await settled(agent);
  for (const [index, { name, touches, command: words }] of DISTURBANCES.entries()) {
    if (index >= ENOUGH_ROUNDS && performance.now() - begin > ENOUGH_TIME) break;
    const traffic = index % 2 === 1 ? await SteadyClient.onHost(8080) : undefined;
    const command = Command.vipmesh(...words);
    // From before the command has reached the agent until after its tasks have started.
    const delay = Math.round(200 + random() * 1300);
    await new Promise((resolve) => setTimeout(resolve, delay));
    const old = descendants(agent.pid);
    const going = settledTasks(known, touches).flatMap(processesOf);
    await agent.kill();
    await command.ended;
    await traffic?.stop();
    agent = await again(known, touches, random);
    assert.deepEqual(survivors(going), going, 'tasks go on');
    const before = known;
    known = await settled(agent);
    assertGoesOn(before, known, touches);
    assertNothingDoubled(known);
    await pollUntil('no other process of the old agent survives', () => strays(old, known).length === 0, SOON);
    assert.equal((await curl(2)).length, 2);
    process.stdout.write(`killed ${delay} ms into ${name}${traffic ? ', under traffic' : ''}\n`);
  }
  await assertServes(agent);
  const going = known.tasks.flatMap(processesOf);
  await agent.kill();
  assert.notDeepEqual(pinnedNamespaces(), before.namespaces, 'a killed agent leaves its namespaces');
  assert.deepEqual(survivors(going), going, 'and its tasks');
  await vipmesh('down');
  assert.deepEqual(hostState(), before, 'down leaves nothing');
  await assertNothingLeaked(paths.store);
}

/** Comes up after a kill, now and then at the second attempt, the first one being killed while it starts. */
async function again(known: Kept, touched: string | undefined, random: () => number): Promise<MeshAgent> {
  if (random() < 0.4) {
    const failing = MeshAgent.begin();
    await new Promise((resolve) => setTimeout(resolve, 200 + random() * 1500));
    await failing.kill();
  }
  const agent = await MeshAgent.up();
  assertKept(known, await kept(agent), touched);
  return agent;
}

/** In order, and with whatever mode this user gets. */
export async function stoppedInOrder(): Promise<void> {
  const before = hostState();
  const first = await MeshAgent.up();
  await createStack();
  const known = await settled(first);
  const old = descendants(first.pid);
  await first.stop();
  assert.deepEqual(survivors(old), []);
  assert.deepEqual(hostState(), before, 'nothing but the state is left');
  await assertNothingLeaked(paths.store);

  const second = await MeshAgent.up();
  const now = await settled(second);
  assertKept(known, now);
  assert.equal(now.services.length, known.services.length);
  await assertServes(second);
  await vipmesh('down');
  assert.equal((await second.command.ended).code, 0);
  assert.deepEqual(hostState(), before);
}

/** The outer process of a rootless agent takes all of it along. What becomes of an inner one is in rootless.ts. */
export async function rootlessKilled(): Promise<void> {
  const before = hostState();
  let agent = await MeshAgent.up();
  await createStack();
  const known = await settled(agent);
  const old = descendants(agent.pid);
  await agent.kill();
  // What was started after `descendants` has looked ends with the rest, but not necessarily before it.
  const isGone = (): boolean => survivors(old).length === 0 && processes().length === before.processes;
  await pollUntil('nothing is left of an agent whose outer process was killed', isGone, SOON);
  agent = await MeshAgent.up();
  assertKept(known, await settled(agent));
  await assertServes(agent);
  await agent.stop();
  assert.deepEqual(hostState(), before);
}

/** A state directory that cannot be used is one sentence with a remedy, before anything is made. */
export async function unusable(): Promise<void> {
  const before = hostState();
  const cases: [prepare: (directory: string) => void, expected: RegExp][] = [
    [(directory) => writeFileSync(join(directory, 'store', 'data.mdb'), 'not a store'.repeat(1000)), /^vipmesh: .*\/store\/data\.mdb is not a store file, or its beginning is damaged: restore it from a copy, or move it away to start empty\n$/m],
    [(directory) => (rmSync(join(directory, 'store'), { recursive: true }), writeFileSync(join(directory, 'store'), '')), /^vipmesh: the store's directory .*\/store is not usable: .*/m],
    [(directory) => writeFileSync(join(directory, 'node.json'), '{'), /^vipmesh: .*\/node\.json does not hold a node's identity: restore it, or remove it and the node gets a new one\n$/m],
    [(directory) => writeFileSync(join(directory, '..', 'file'), ''), /^vipmesh: the state directory .*\/file\/below cannot be used \(ENOTDIR\): name another with --state-dir\n$/m],
  ];
  // Root may write everywhere.
  if (process.getuid?.() !== 0) {
    cases.push([(directory) => chmodSync(directory, 0o500), /^vipmesh: the state directory .* cannot be used \(EACCES\): name another with --state-dir\n$/m]);
  }
  for (const [prepare, expected] of cases) {
    const directory = join(mkdtempSync('/run/tmp/state-'), 'vipmesh');
    mkdirSync(join(directory, 'store'), { recursive: true });
    prepare(directory);
    const stateDir = expected.source.includes('below') ? join(directory, '..', 'file', 'below') : directory;
    const said = await refused('up', '--log-level', 'error', '--state-dir', stateDir);
    assert.match(said, expected);
    assert.deepEqual(hostState(), before);
  }
}
