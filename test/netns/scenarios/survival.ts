/**
 * Tasks that outlive their agent, as root: what goes on with no agent, what the next one takes over, and what it does not.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { resolvePaths } from '../../../agent/lifecycle/paths.js';
import { parseRecord } from '../../../agent/tasks/task-record.js';
import { createNamespace } from '../../../kernel/netns/netns.js';
import type { TaskObject } from '../../../overlay/model/object.js';
import type { ServiceInput } from '../../../agent/api/inputs.js';
import { isEnded } from '../../../overlay/model/task-state.js';
import { pollUntil } from '../../support/poll-until.js';
import { hostState, links, pinnedNamespaces, processes, survivors } from './support/host-state.js';
import { assertGoesOn, assertNothingDoubled, kept, processesOf, type Kept } from './support/kept.js';
import { Command, MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';

const LONG_LIVED = fileURLToPath(new URL('../../support/long-lived.js', import.meta.url));
const paths = resolvePaths({ env: process.env, uid: process.getuid?.() ?? 0 });

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
const newDirectory = (): string => mkdtempSync('/run/tmp/survival-');
const sleeps = (mark: string) => (words: readonly string[]): boolean => words[0] === 'sleep' && words[1] === mark;

/** Name of the namespace that ends so. */
function pinned(end: string): string {
  return pinnedNamespaces().find((name) => name.endsWith(`-${end}`)) ?? assert.fail(`a namespace of ${end}`);
}

async function create(agent: MeshAgent, name: string, command: readonly string[], more: Partial<ServiceInput> = {}): Promise<TaskObject> {
  await agent.api.createService({ name, task: { command: [...command] }, networks: [{ network: 'overlay1', aliases: [] }], ...more });
  const [task] = await agent.settles(name, 1);
  return task ?? assert.fail(name);
}

/** A task's record once it has ended. */
function ended(agent: MeshAgent, service: string, id: string): Promise<TaskObject> {
  return pollUntil(`${service} shows that ${id} has ended`, async () => (await agent.api.serviceTasks(service)).find((task) => task.id === id && isEnded(task)), SOON);
}

async function restarted(agent: MeshAgent, known: Kept): Promise<{ agent: MeshAgent; now: Kept }> {
  await agent.kill();
  const next = await MeshAgent.up();
  const now = await kept(next);
  assertGoesOn(known, now);
  return { agent: next, now };
}

/** A connection between two tasks, without a gap; what clients are attached to ends with the agent; then all abilities. */
export async function goesOn(): Promise<void> {
  const before = hostState();
  const directory = newDirectory();
  let agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  const server = await create(agent, 'server', [process.execPath, LONG_LIVED, 'server', '7000'], { restart: { delay: 50 } });
  const file = join(directory, 'count');
  await create(agent, 'client', [process.execPath, LONG_LIVED, 'client', server.addresses[0]?.address ?? '', '7000', file]);
  const script = `trap 'echo bye >${directory}/bye; exit 3' TERM; n=0; while :; do n=$((n+1)); echo line $n; sleep 0.05; done`;
  const chatty = await create(agent, 'chatty', ['sh', '-c', script], { task: { command: ['sh', '-c', script], env: { COLOUR: 'blue' }, workdir: '/usr' } });
  await create(agent, 'web', SERVE, { task: { command: [...SERVE], healthcheck: { command: ['test', '!', '-e', join(directory, 'ill')], interval: 100, retries: 2 } }, restart: { delay: 50 } });
  const answered = (): number => Number(existsSync(file) ? readFileSync(file, 'utf8') : '0');
  await pollUntil('the connection is there', () => answered() > 5, SOON);

  const exec = Command.vipmesh('exec', chatty.id, '--', 'sh', '-c', 'sleep 1301.5 & sleep 1301.5');
  const visitor = Command.vipmesh('run', '--rm', '--network', 'overlay1', '--', 'sleep', '1302.5');
  await pollUntil('both run', () => processes(sleeps('1301.5')).length === 2 && processes(sleeps('1302.5')).length === 1, SOON);
  const known = await kept(agent);
  const here = known.tasks.filter(({ name }) => !name.startsWith('web') && !name.startsWith('chatty')).flatMap(processesOf);
  await agent.kill();
  await Promise.all([exec.ended, visitor.ended]);
  await pollUntil('what clients were attached to ends', () => processes((words) => sleeps('1301.5')(words) || sleeps('1302.5')(words)).length === 0, SOON);
  assert.deepEqual(survivors(here), here);
  // The helper and process 1; what the commands open is theirs.
  for (const task of known.tasks) for (const { pid } of processesOf(task).slice(0, 2)) assertNoForeignFiles(pid);
  const atKill = answered();
  await pollUntil('the connection goes on with no agent', () => answered() > atKill + 20, SOON);

  agent = await MeshAgent.up();
  const now = await kept(agent);
  assertGoesOn(known, now);
  assertNothingDoubled(now);
  const atUp = answered();
  await pollUntil('the connection goes on under the next agent', () => answered() > atUp + 20, SOON);
  assert.equal(await vipmesh('run', '--rm', '--network', 'overlay1', '--', 'sh', '-c', 'curl -sS -m 5 web | cut -d" " -f1'), `${now.tasks.find(({ name }) => name.startsWith('web'))?.id}\n`);

  assert.equal(await vipmesh('exec', chatty.id, '--', 'sh', '-c', 'echo $COLOUR; pwd; hostname; getent hosts server >/dev/null && echo named'), `blue\n/usr\n${chatty.id}\nnamed\n`);
  const follower = Command.vipmesh('task', 'logs', '--follow', '--tail', '1', chatty.id);
  await follower.says(/line \d+\n.*line \d+\n/s);
  follower.child.kill('SIGINT');
  await follower.ended;
  await vipmesh('service', 'scale', 'chatty=0');
  const gone = await ended(agent, 'chatty', chatty.id);
  assert.deepEqual([gone.status.state, gone.status.exitCode, readFileSync(join(directory, 'bye'), 'utf8')], ['shutdown', 3, 'bye\n']);
  const [web] = await agent.running('web');
  writeFileSync(join(directory, 'ill'), '');
  assert.match((await ended(agent, 'web', web?.id ?? '')).status.message ?? '', /^unhealthy/);
  process.kill(server.status.pid ?? 0, 'SIGKILL');
  assert.equal((await ended(agent, 'server', server.id)).status.exitCode, 137);
  await agent.settles('server', 1);
  await vipmesh('down');
  await agent.command.ended;
  assert.deepEqual(hostState(), before);
}

/** A task must not hold what its agent had open: locks, the store, listening sockets, TUNs. */
function assertNoForeignFiles(pid: number): void {
  const files = readdirSync(`/proc/${pid}/fd`).map((fd) => [fd, readlinkSync(`/proc/${pid}/fd/${fd}`)]);
  const own = /^(\/dev\/null|(socket|pipe):\[\d+\]|\/run\/vipmesh\/tasks\/\w+\/(fate|init)|\/run\/state\/0\/vipmesh\/logs\/\w+\.log)$/;
  assert.deepEqual(files.filter(([, target]) => !own.test(target ?? '')), [], `open in ${pid}`);
  // Its streams, and what it talked to the agent by (setup-script.ts), of which the helper has its own.
  assert.ok(files.length <= 7, JSON.stringify(files));
}

/** Each way to end while there is no agent, and what the next one makes of it. */
export async function endedMeanwhile(): Promise<void> {
  const before = hostState();
  const directory = newDirectory();
  let agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  const until = (exit: string): string[] => ['sh', '-c', `until [ -e ${directory}/end ]; do sleep 0.05; done; ${exit}`];
  const cases = { failed: ['exit 7', 7], killed: ['kill -9 $$', 137], done: ['exit 0', 0] } as const;
  const tasks = new Map<string, TaskObject>();
  for (const [name, [exit]] of Object.entries(cases)) {
    tasks.set(name, await create(agent, name, until(exit), { restart: { condition: name === 'done' ? 'on-failure' : 'any', delay: 50 } }));
  }
  const whole = await create(agent, 'whole', ['sleep', '1303.5'], { restart: { condition: 'any', delay: 50 } });
  const steady = await create(agent, 'steady', ['sleep', '1304.5']);
  const all = [...tasks.values(), whole].flatMap(processesOf);
  const shell = processesOf(whole)[1] ?? assert.fail('process 1');
  await agent.kill();
  writeFileSync(join(directory, 'end'), '');
  process.kill(shell.pid, 'SIGKILL');
  await pollUntil('they have ended', () => survivors(all).length === 0, SOON);
  writeFileSync(join(directory, 'end'), '');
  execFileSync('rm', [join(directory, 'end')]);

  agent = await MeshAgent.up();
  for (const [name, [, exitCode]] of Object.entries(cases)) {
    const { status } = await ended(agent, name, tasks.get(name)?.id ?? '');
    assert.deepEqual([status.state, status.exitCode], [exitCode === 0 ? 'complete' : 'failed', exitCode], name);
    if (name !== 'done') await agent.settles(name, 1);
  }
  assert.equal((await ended(agent, 'whole', whole.id)).status.exitCode, 137, 'it was killed with its process 1');
  await agent.settles('whole', 1);
  assert.equal((await agent.running('done')).length, 0, 'its work is done');
  assert.equal((await agent.running('steady'))[0]?.status.pid, steady.status.pid);
  assertNothingDoubled(await kept(agent));
  await agent.stop();
  assert.deepEqual(hostState(), before);
}

/** As an agent stops its tasks, without one. */
export async function downWithoutAgent(): Promise<void> {
  const before = hostState();
  const directory = newDirectory();
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  await create(agent, 'polite', ['sh', '-c', `trap 'sleep 0.3; echo bye >${directory}/bye; exit 0' TERM; while :; do sleep 0.05; done`]);
  await create(agent, 'stubborn', ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'], { task: { command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'], stopGracePeriod: 500 } });
  await agent.kill();
  const { code, stderr, stdout } = await Command.vipmesh('down').ended;
  assert.equal(code, 0, stderr);
  assert.match(stdout + stderr, /removed what it left behind: 4 namespaces, \d+ processes, 1 file/);
  assert.equal(readFileSync(join(directory, 'bye'), 'utf8'), 'bye\n');
  assert.deepEqual(hostState(), before);
  assert.equal(existsSync(paths.taskFiles), false);
}

/** A second Ctrl-C means all of it. */
export async function impatient(): Promise<void> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  const stubborn = { task: { command: ['sh', '-c', 'trap "" TERM; while :; do sleep 0.05; done'], stopGracePeriod: 60_000 } };
  const task = await create(agent, 'stubborn', stubborn.task.command, stubborn);
  const all = processesOf(task);
  await pollUntil('the agent ends hard', () => agent.command.child.exitCode !== null || !agent.command.child.kill('SIGINT'), { ...SOON, interval: 200 });
  assert.notEqual((await agent.command.ended).code, null);
  await pollUntil('its tasks, too', () => survivors(all).length === 0, SOON);
  await vipmesh('down');
}

/** Agents that are killed again and again, while they start tasks and while they adopt them: none is disturbed, none doubled. */
export async function killedWhileAdopting(): Promise<void> {
  const before = hostState();
  let agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  for (const name of ['a', 'b', 'c']) await create(agent, name, ['sleep', '1305.5'], { ports: [] });
  const known = await kept(agent);
  const going = known.tasks.flatMap(processesOf);
  await agent.kill();
  for (let round = 0; round < 6; round++) {
    const failing = MeshAgent.begin();
    // From before it has read anything until after it has taken over.
    await new Promise((resolve) => setTimeout(resolve, 150 + round * 250));
    await failing.kill();
    assert.deepEqual(survivors(going), going);
  }
  agent = await MeshAgent.up();
  assertGoesOn(known, await kept(agent));
  for (let round = 0; round < 4; round++) {
    const change = Command.vipmesh('service', 'create', '--name', `late${round}`, '--network', 'overlay1', '--replicas', '3', '--', 'sleep', '1306.5');
    await new Promise((resolve) => setTimeout(resolve, 300 + round * 150));
    ({ agent } = await restarted(agent, known));
    await change.ended;
    for (const { spec } of await agent.api.services()) await agent.settles(spec.name, spec.replicas);
    const now = await kept(agent);
    assertNothingDoubled(now);
    assert.equal(processes(sleeps('1306.5')).length, now.tasks.length - 3);
  }
  await agent.stop();
  assert.deepEqual(hostState(), before);
}

/** What is not as it was is made anew, and only that; what others have put into a sandbox stays. */
export async function misfits(): Promise<void> {
  const before = hostState();
  let agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  await vipmesh('network', 'create', 'overlay2');
  for (const name of ['cut', 'stale', 'sound']) await create(agent, name, ['sleep', '1307.5']);
  const far = await create(agent, 'far', ['sleep', '1307.5'], { networks: [{ network: 'overlay2', aliases: [] }] });
  const known = await kept(agent);
  const [cut, stale, sound] = ['cut', 'stale', 'sound'].map((name) => known.tasks.find((task) => task.name.startsWith(name)) ?? assert.fail(name)) as [TaskObject, TaskObject, TaskObject];
  await agent.kill();

  const sandbox = pinned('overlay1');
  ip('-n', sandbox, 'link', 'del', `v-${cut.id}`);
  ip('-n', sandbox, 'link', 'add', 'v-ghost', 'type', 'veth', 'peer', 'name', 'v-other');
  ip('-n', sandbox, 'rule', 'add', 'pref', '50', 'fwmark', '0x103', 'lookup', '100');
  ip('-n', sandbox, 'route', 'add', 'local', '10.9.9.9', 'dev', 'lo', 'table', '100');
  // As it is before it is complete.
  ip('-n', pinned('overlay2'), 'link', 'set', 'lo', 'alias', 'vipmesh,0');
  createNamespace('/run/netns', `${sandbox.slice(0, 'vm1a2b-'.length)}ghost`).close();
  // Of a host that has been restarted since, where its pids are another's.
  const file = join(paths.taskFiles, stale.id, 'process.json');
  const record = parseRecord(readFileSync(file, 'utf8')) ?? assert.fail('a record');
  const innocent = new Command('sleep', ['1308.5']);
  const pid = innocent.child.pid ?? 0;
  const other = { pid, startTime: record.shell.startTime };
  writeFileSync(file, JSON.stringify({ ...record, boot: 'another', helper: other, shell: other, main: other }));

  agent = await MeshAgent.up();
  for (const name of ['cut', 'stale', 'sound', 'far']) await agent.settles(name, 1);
  const now = await kept(agent);
  const pidOf = (id: string, { tasks }: Kept): number | undefined => tasks.find((task) => task.id === id)?.status.pid;
  assert.equal(pidOf(sound.id, now), pidOf(sound.id, known));
  for (const { id, name } of [cut, stale, far]) {
    assert.ok(pidOf(id, now), name);
    assert.notEqual(pidOf(id, now), pidOf(id, known), `${name} was started anew`);
  }
  assert.equal(processes(sleeps('1307.5')).length, 4, 'none is doubled');
  assert.equal(innocent.child.exitCode ?? innocent.child.signalCode, null, 'a process of a stale record is not ours');
  innocent.child.kill('SIGKILL');
  await innocent.ended;
  assert.match(ip('-n', sandbox, 'rule'), /fwmark 0x103 lookup 100/);
  assert.match(ip('-n', sandbox, 'route', 'show', 'table', '100'), /local 10\.9\.9\.9/);
  assert.ok(!links(sandbox).includes('v-ghost'));
  assertNothingDoubled(now);
  for (const { addresses } of [cut, far, sound]) {
    const network = addresses[0]?.networkId === far.addresses[0]?.networkId ? 'overlay2' : 'overlay1';
    await vipmesh('run', '--rm', '--network', network, '--', 'ping', '-c', '1', '-W', '5', addresses[0]?.address ?? '');
  }
  await agent.stop();
  assert.deepEqual(hostState(), before);
}

/** The same with IPv6, which has rules where IPv4 has none. */
export async function withIpv6(): Promise<void> {
  const before = hostState();
  const file = join(newDirectory(), 'count');
  let agent = await MeshAgent.up();
  await vipmesh('network', 'create', '--ipv6', 'overlay1');
  const server = await create(agent, 'server', [process.execPath, LONG_LIVED, 'server', '7000'], { restart: { delay: 50 } });
  await create(agent, 'client', [process.execPath, LONG_LIVED, 'client', server.addresses[0]?.address6 ?? '', '7000', file]);
  const victim = await create(agent, 'victim', ['sleep', '1309.5'], { restart: { condition: 'none' } });
  const answered = (): number => Number(existsSync(file) ? readFileSync(file, 'utf8') : '0');
  await pollUntil('the connection is there', () => answered() > 5, SOON);
  const sandbox = pinned('overlay1');
  const rules = (): string[] => ip('-6', '-n', sandbox, 'rule').split('\n').filter((line) => line.startsWith('1000:'));
  assert.equal(rules().length, 3);
  const known = await kept(agent);
  await agent.kill();
  process.kill(victim.status.pid ?? 0, 'SIGKILL');
  agent = await MeshAgent.up();
  await ended(agent, 'victim', victim.id);
  const now = await kept(agent);
  assertGoesOn({ ...known, tasks: known.tasks.filter(({ id }) => id !== victim.id) }, now);
  assertNothingDoubled(now);
  assert.equal(rules().length, 2);
  const atUp = answered();
  await pollUntil('the connection goes on', () => answered() > atUp + 20, SOON);
  const script = 'getent ahostsv6 server >/dev/null && echo named; ping -6 -c 1 -W 5 server >/dev/null && echo there';
  assert.equal(await vipmesh('run', '--rm', '--network', 'overlay1', '--', 'sh', '-c', script), 'named\nthere\n');
  await agent.stop();
  assert.deepEqual(hostState(), before);
}

/** A task of a node that is called otherwise now is replaced, and stopped in order. */
export async function renamed(): Promise<void> {
  const before = hostState();
  const directory = newDirectory();
  const first = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  const old = await create(first, 'steady', ['sh', '-c', `trap 'echo bye >${directory}/bye; exit 0' TERM; while :; do sleep 0.05; done`]);
  await first.kill();
  const agent = await MeshAgent.upRenamed('elsewhere');
  const stopped = await ended(agent, 'steady', old.id);
  assert.deepEqual([stopped.status.state, readFileSync(join(directory, 'bye'), 'utf8')], ['shutdown', 'bye\n']);
  const [task] = await agent.settles('steady', 1);
  assert.equal(task?.node, 'elsewhere');
  assertNothingDoubled(await kept(agent));
  await agent.stop();
  assert.deepEqual(hostState(), before);
}
