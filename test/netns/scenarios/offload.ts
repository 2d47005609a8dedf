/**
 * Kernel offload by a whole agent: services are handed over and taken back under traffic, rules that somebody flushes come
 * back, and an agent that is killed is missed by nobody. With nftables, or, in a guest of test/vm, with IPVS.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { OffloadRecord } from '../../../agent/control.js';
import type { DriverName } from '../../../kernel/offload/driver.js';
import { rawObstacle } from '../../../kernel/raw/raw.js';
import { run } from '../../../kernel/run/runner.js';
import { pollUntil } from '../../support/poll-until.js';
import { HeldFlows } from './support/held.js';
import { ENOUGH, PATIENTLY, PAUSE, UDP_PACE } from './support/here.js';
import { hostState, type HostState } from './support/host-state.js';
import { ASKED, inTask, MeshAgent, SERVE, vipmesh, type Running } from './support/mesh-agent.js';
import { inSandbox, TOOLS, webInKernel } from './support/offload-sandbox.js';
import { SteadyClient } from './support/steady.js';

const offloadBy = (driver: DriverName): string[] => ['--offload-driver', driver, '--offload-after', '1s'];

async function startMesh(driver: DriverName, ...options: string[]): Promise<MeshAgent> {
  const agent = await MeshAgent.up('auto', offloadBy(driver));
  await vipmesh('network', 'create', 'overlay1');
  await vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', ...PATIENTLY, ...options, '--', ...SERVE);
  await agent.settles('vote', 2);
  return agent;
}

async function offload(agent: MeshAgent, service = 'vote'): Promise<OffloadRecord> {
  return (await agent.api.offloads()).find((record) => record.service === service) ?? assert.fail(`${service} is not listed`);
}

function reaches(agent: MeshAgent, state: OffloadRecord['state']): Promise<OffloadRecord> {
  return pollUntil(`vote is ${state}`, async () => {
    const record = await offload(agent);
    return record.state === state ? record : undefined;
  }, ASKED);
}

/** A connection from a task that sends random bytes, slowly, until it is told to stop: then the endpoint says what it has got. */
class Upload {
  private constructor(
    readonly command: Running,
    readonly directory: string,
  ) {}

  static begin(): Upload {
    const directory = mkdtempSync('/run/tmp/upload-');
    const script = `while [ ! -e ${directory}/stop ]; do head -c 20000 /dev/urandom; sleep ${PAUSE}; done | tee ${directory}/sent | nc -N vote 7`;
    return new Upload(inTask('overlay1', 'sh', '-c', script), directory);
  }

  /** Every byte has arrived, in order. */
  async finish(): Promise<void> {
    writeFileSync(join(this.directory, 'stop'), '');
    const { code, stdout, stderr } = await this.command.ended;
    assert.equal(code, 0, stderr);
    const sent = readFileSync(join(this.directory, 'sent'));
    assert.ok(sent.length > 0);
    const [, bytes, hash] = stdout.trim().split(' ');
    assert.deepEqual([bytes, hash], [String(sent.length), createHash('sha256').update(sent).digest('hex')]);
  }
}

/** Waits for one more established connection to port 7 on that path. */
function carried(agent: MeshAgent, path: 'tun' | 'kernel'): Promise<unknown> {
  return pollUntil(`an upload by ${path}`, async () => (await agent.api.flows()).some((flow) => flow.path === path && flow.vip.endsWith(':7') && flow.state === 'established'), ASKED);
}

/** Streams from before the switch, after it, and over the switch back; a UDP client with one port; a client that connects all the time. */
export async function handedOverAndBack(by: DriverName = 'nft'): Promise<void> {
  const agent = await startMesh(by);
  const steady = await handOverAndBack(agent, by);
  const { failures, answers } = await steady.stop();
  assert.deepEqual(failures, []);
  assert.equal(Object.keys(answers).length, 2, 'both endpoints were asked');
  await agent.stop();
}

/** What connects all the time goes on. */
async function handOverAndBack(agent: MeshAgent, by: DriverName): Promise<SteadyClient> {
  const early = Upload.begin();
  await carried(agent, 'tun');
  const asker = HeldFlows.inTask('udp', 'vote', '5300', UDP_PACE);
  await asker.until('its first answer', (flows) => flows.of('answer').length > 0);
  const steady = await SteadyClient.inTask('overlay1', 'vote', 80);

  const { mark, driver } = await reaches(agent, 'offloaded');
  assert.ok(mark !== undefined && mark >= 0x100);
  assert.equal(driver, by);
  await pollUntil('new connections are in the kernel', async () => (await webInKernel(agent)).length > 0, ASKED);
  const late = Upload.begin();
  await carried(agent, 'kernel');
  const shown = await vipmesh('offload', 'show', 'vote');
  assert.match(shown, new RegExp(`^# in the sandbox of network overlay1: .+ sh\\n[^]*^${TOOLS[by].command} `, 'm'));
  // From outside, by whoever started the agent.
  const [, enter = ''] = /^# in the sandbox of network overlay1: (.+)$/m.exec(shown) ?? [];
  assert.match(await run('sh', ['-c', `echo 'ip -brief link' | ${enter}`], {}), /^vip0 /m);
  assert.match(await vipmesh('offload', 'ls'), /^vote +overlay1 +- +offloaded /m);
  const answers = asker.of('answer').length;
  await asker.until('UDP goes on', (flows) => flows.of('answer').length > answers + 10);

  await vipmesh('offload', 'disable', 'vote');
  assert.equal((await reaches(agent, 'draining')).reason, 'offload is off');
  const opened = (await offload(agent)).opened;
  await pollUntil('new connections are in userspace again', async () => (await offload(agent)).opened > opened + 5, ASKED);
  await early.finish();
  await late.finish();
  await asker.end();
  assert.equal(new Set(asker.of('answer').map(({ by }) => by)).size, 1, 'one endpoint answered the UDP client from first to last');
  return steady;
}

/** Scaled up and down while the kernel balances: no connection fails. Then the service is removed, and a connection that is left is reset. */
export async function changedWhileOffloaded(by: DriverName = 'nft'): Promise<void> {
  const agent = await startMesh(by);
  // What is closed is not waited for, for however long what is open may go on.
  await vipmesh('service', 'update', '--drain-timeout', '10m', 'vote');
  const steady = await SteadyClient.inTask('overlay1', 'vote', 80);
  await reaches(agent, 'offloaded');
  await change(agent);
  await changedUnnoticed(steady);
  await endpointDies(agent);
  await removedWithConnections(agent, HeldFlows.inTask('tcp', 'vote', '7', '1', '100'));
  await agent.stop();
}

async function changedUnnoticed(steady: SteadyClient): Promise<void> {
  const { failures, answers } = await steady.stop();
  assert.deepEqual(failures, []);
  assert.equal(Object.keys(answers).length, 3);
}

/** @param meanwhile while there are three, with the address of the one that will go; what it answers is done when that one is gone */
async function change(agent: MeshAgent, meanwhile: (third: string) => Promise<() => Promise<void>> = () => Promise.resolve(() => Promise.resolve())): Promise<void> {
  await vipmesh('service', 'scale', ...PATIENTLY, 'vote=3');
  const [, , third = assert.fail()] = await agent.settles('vote', 3);
  const { address = '' } = third.addresses[0] ?? {};
  await pollUntil('the new endpoint gets flows from the kernel', async () => (await webInKernel(agent)).some(({ endpoint }) => endpoint === address), ASKED);
  const then = await meanwhile(address);
  await vipmesh('service', 'scale', ...PATIENTLY, 'vote=2');
  await agent.settles('vote', 2);
  assert.equal((await offload(agent)).state, 'offloaded');
  await then();
}

/** A task's process is killed: its clients hear of it, those of the other endpoint go on, and so does the kernel, with a new endpoint. */
async function endpointDies(agent: MeshAgent): Promise<void> {
  const [dying = assert.fail()] = await agent.settles('vote', 2);
  const { address } = dying.addresses[0] ?? assert.fail();
  const { clients, theirs } = await holdIdle(agent, (endpoint) => endpoint === address);
  assert.ok(theirs > 0 && theirs < IDLE, `${theirs} of ${IDLE}`);
  process.kill(dying.status.pid ?? assert.fail(), 'SIGKILL');
  const gone = (flows: HeldFlows): number => flows.of('end').length + flows.of('error').length;
  await clients.until('its clients hear of it', (flows) => gone(flows) >= theirs);
  await pollUntil('another is there', async () => (await agent.settles('vote', 2)).every(({ id }) => id !== dying.id), ASKED);
  await reaches(agent, 'offloaded');
  assert.equal(gone(clients), theirs);
  await clients.end();
}

/** The service goes, and connections in the kernel with it: their clients hear of that. */
async function removedWithConnections(agent: MeshAgent, clients: HeldFlows): Promise<void> {
  await carried(agent, 'kernel');
  await vipmesh('service', 'rm', 'vote');
  await clients.areReset();
  await clients.end();
}

/** Segments of flows of the kernel that userspace has seen, and did not refuse. */
async function held(agent: MeshAgent): Promise<number> {
  return (await agent.api.info()).counters.droppedKernelFlow ?? 0;
}

/** Another tool flushes everything: it comes back by itself, userspace serves until then, and what the kernel had goes on. */
export async function flushed(by: DriverName = 'nft'): Promise<void> {
  const agent = await startMesh(by);
  await vipmesh('offload', 'enable', 'vote');
  await flush(agent, by);
  await agent.stop();
}

async function flush(agent: MeshAgent, by: DriverName): Promise<void> {
  const tools = TOOLS[by];
  await reaches(agent, 'offloaded');
  const steady = await SteadyClient.inTask('overlay1', 'vote', 80);
  const upload = Upload.begin();
  await carried(agent, 'kernel');
  const flushedAt: number[] = [];
  const flushBy = async (how: () => Promise<unknown>): Promise<void> => {
    assert.match(await tools.ruleset(), tools.ours);
    const before = new Set((await webInKernel(agent)).map(({ client }) => client));
    flushedAt.push(Date.now());
    await how();
    await pollUntil('the rules are back', async () => tools.ours.test(await tools.ruleset()), ASKED);
    await pollUntil('and take new connections', async () => (await offload(agent)).state === 'offloaded' && (await webInKernel(agent)).some(({ client }) => !before.has(client)), ASKED);
  };
  await flushBy(() => tools.flush());
  assert.ok((await held(agent)) > 0, 'packets of flows in the kernel came to userspace');
  await upload.finish();
  for (const command of tools.flushesFlows) await flushBy(() => inSandbox('sh', '-ec', command));
  const { failedAt } = await steady.stop();
  assert.deepEqual(failedAt.filter(({ error }) => error.includes('ECONNREFUSED')), [], 'no new connection was refused');
  // What was in the kernel in that very moment lost its translation.
  assert.ok(failedAt.length <= 20 * flushedAt.length, `${failedAt.length} failures`);
  for (const { at, until } of failedAt) assert.ok(flushedAt.some((then) => at <= then + 3000 && until >= then - 100), `a connection begun ${at - flushedAt[0]!} ms after the first flush failed`);
}

/** Connections on which nobody says anything: the one whose endpoint goes is ended at once, and the other goes on until its service is removed. */
export async function idleClientsAreTold(by: DriverName = 'nft'): Promise<void> {
  const agent = await MeshAgent.up('auto', offloadBy(by));
  await vipmesh('network', 'create', 'overlay1');
  await vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', '--offload', 'always', '--drain-timeout', '2s', '--', ...SERVE);
  await agent.settles('vote', 2);
  await reaches(agent, 'offloaded');
  const clients = HeldFlows.inTask('tcp', 'vote', '7', '2');
  await clients.until('both are open', (flows) => flows.of('open').length === 2);
  await pollUntil('both are in the kernel', async () => (await agent.api.flows()).filter(({ path, vip }) => path === 'kernel' && vip.endsWith(':7')).length === 2, ASKED);
  await vipmesh('service', 'scale', 'vote=1');
  await clients.until('one is ended', (flows) => flows.of('error').length > 0);
  assert.deepEqual(clients.of('error').map(({ code, opened }) => [code, opened]), [['ECONNRESET', true]]);
  assert.deepEqual(clients.of('end'), []);
  assert.equal((await offload(agent)).state, 'offloaded');
  await vipmesh('service', 'rm', 'vote');
  await clients.areReset();
  await clients.end();
  await agent.stop();
}

/** A client that is a service itself, and so outlives the agent as well: asks the VIP again and again, and notes every answer. */
async function startAsking(agent: MeshAgent): Promise<() => string[]> {
  const file = join(mkdtempSync('/run/tmp/asking-'), 'answers');
  appendFileSync(file, '');
  const vip = await agent.vip('vote', 'overlay1');
  const script = `while :; do curl -sS -m 10 http://${vip}/ >>${file} 2>&1 || echo failed >>${file}; sleep ${PAUSE}; done`;
  await vipmesh('service', 'create', '--name', 'client', '--network', 'overlay1', ...PATIENTLY, '--', 'sh', '-c', script);
  const lines = (): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
  await pollUntil('the client gets answers', () => lines().length > 5, ASKED);
  return lines;
}

/** With no agent at all the kernel goes on, and the next agent takes over what is installed as it is. */
export async function withoutAgent(by: DriverName = 'nft'): Promise<void> {
  const before = hostState();
  const next = await killAndAdopt(await startMesh(by), by);
  await killAndRemove(next, by, before);
}

/** Answers the next agent. */
async function killAndAdopt(agent: MeshAgent, by: DriverName): Promise<MeshAgent> {
  const tools = TOOLS[by];
  const lines = await startAsking(agent);
  const { mark } = await reaches(agent, 'offloaded');
  const installed = await tools.ruleset();
  assert.match(installed, tools.ours);
  await agent.kill();
  const then = lines().length;
  await pollUntil('the client gets answers without an agent', () => lines().length > then + ENOUGH, ASKED);
  const next = await MeshAgent.up('auto', offloadBy(by));
  await next.settles('vote', 2);
  assert.equal((await reaches(next, 'offloaded')).mark, mark);
  const later = lines().length;
  await pollUntil('and with the next', () => lines().length > later + ENOUGH, ASKED);
  assert.equal(await tools.ruleset(), installed, 'nothing was touched');
  assert.deepEqual(lines().filter((line) => !/^[0-9a-f]{12} /.test(line)), []);
  return next;
}

async function killAndRemove(agent: MeshAgent, by: DriverName, before: HostState): Promise<void> {
  const tools = TOOLS[by];
  const { mark } = await reaches(agent, 'offloaded');
  await agent.kill();
  if (by === 'nft') {
    // Flushed while nobody looks: the flows that are left tell that there was something, and it is put back. Nothing else would do it so soon.
    await tools.flush();
    const last = await MeshAgent.up('auto', ['--offload-driver', by, '--offload-after', '5m']);
    assert.equal((await reaches(last, 'offloaded')).mark, mark);
    assert.match(await tools.ruleset(), tools.ours);
    await last.kill();
  }
  await vipmesh('down');
  assert.deepEqual(hostState(), before, 'down leaves nothing, with no agent alive');
}

/** Of idle connections so many, beside what a steady client opens, that each endpoint gets some. */
const IDLE = 20;

/** Connections on which nobody says anything, and how many of them are in the kernel toward endpoints that fit. */
async function holdIdle(agent: MeshAgent, fits: (address: string) => boolean): Promise<{ readonly clients: HeldFlows; readonly theirs: number }> {
  const clients = HeldFlows.inTask('tcp', 'vote', '7', `${IDLE}`);
  await clients.until('all are open', (flows) => flows.of('open').length === IDLE);
  const held = await pollUntil('all are in the kernel', async () => {
    const flows = await idleInKernel(agent);
    return flows.length === IDLE ? flows : undefined;
  }, ASKED);
  return { clients, theirs: held.filter(fits).length };
}

/** Addresses of the endpoints that they have. */
async function idleInKernel(agent: MeshAgent): Promise<string[]> {
  const flows = (await agent.api.flows()).filter(({ path, vip, state }) => path === 'kernel' && vip.endsWith(':7') && state === 'established');
  return flows.map(({ endpoint }) => endpoint.replace(/:.*/, ''));
}

/**
 * All of it by one agent, and then the next: for a guest, where starting one takes its time. Besides, idle clients of an endpoint that is gone are
 * told so; and they would hang if nobody told them: the next agent finds no raw-socket.
 */
export async function wholeLife(by: DriverName = 'nft'): Promise<void> {
  const before = hostState();
  const agent = await startMesh(by, '--drain-timeout', '2s');
  const steady = await handOverAndBack(agent, by);
  await vipmesh('offload', 'enable', 'vote');
  await reaches(agent, 'offloaded');
  // It is optional.
  const raw = (await rawObstacle()) === undefined ? dirname(createRequire(import.meta.url).resolve('raw-socket/package.json')) : undefined;
  await change(agent, raw === undefined ? undefined : (third) => idleClientsOf(agent, third));
  await changedUnnoticed(steady);
  await endpointDies(agent);
  if (raw !== undefined) await run('mount', ['-t', 'tmpfs', 'tmpfs', raw], {});
  const next = await killAndAdopt(agent, by);
  await idleClientsHang(next);
  if (raw !== undefined) await run('umount', [raw], {});
  await flush(next, by);
  await killAndRemove(next, by, before);
}

/** What it answers sees that those of that endpoint are told, and no others. */
async function idleClientsOf(agent: MeshAgent, endpoint: string): Promise<() => Promise<void>> {
  const { clients, theirs } = await holdIdle(agent, (address) => address === endpoint);
  assert.ok(theirs > 0);
  return async () => {
    await clients.until('they are told', (flows) => flows.of('error').length >= theirs);
    await clients.end();
    assert.deepEqual(clients.of('error').map(({ code, opened }) => `${code} ${opened}`), Array<string>(theirs).fill('ECONNRESET true'));
  };
}

/** The control: the same as before, by an agent without raw sockets. */
async function idleClientsHang(agent: MeshAgent): Promise<void> {
  const { clients } = await holdIdle(agent, () => true);
  await vipmesh('service', 'scale', ...PATIENTLY, 'vote=1');
  await agent.settles('vote', 1);
  await pollUntil('one endpoint is gone, with its flows', async () => (await idleInKernel(agent)).length < IDLE, ASKED);
  assert.deepEqual([clients.of('error'), clients.of('end')], [[], []], 'its clients do not know');
  await clients.end();
}
