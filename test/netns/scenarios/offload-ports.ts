/**
 * Published ports that the kernel serves, by a whole agent: for clients elsewhere and on the host, handed over and taken back under
 * traffic, flushed, without an agent. With nftables, or, in a guest of test/vm, with iptables and IPVS.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OffloadRecord } from '../../../agent/control.js';
import { trackedFlows } from '../../../kernel/conntrack/tool.js';
import { createNamespace, openNamespace, ownNamespace } from '../../../kernel/netns/netns.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import { bindUdp } from '../../../kernel/netns/sockets.js';
import type { DriverName } from '../../../kernel/offload/driver.js';
import { rawObstacle } from '../../../kernel/raw/raw.js';
import { run } from '../../../kernel/run/runner.js';
import { pollUntil } from '../../support/poll-until.js';
import { HeldFlows } from './support/held.js';
import { ENOUGH, IN_GUEST, PATIENTLY, PAUSE, UDP_PACE } from './support/here.js';
import { hostState, pinnedNamespaces, type HostState } from './support/host-state.js';
import { ASKED, Command, MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';
import { SteadyClient } from './support/steady.js';

const HOST = '192.0.2.1';
const CLIENT_DIRECTORY = '/run/elsewhere';
const CLIENT = ['nsenter', `--net=${CLIENT_DIRECTORY}/client`];
/** Web, upload, UDP. */
const PORTS = ['8080/tcp', '8007/tcp', '8053/udp'];

/** Seconds after which the host forgets a UDP session that says nothing: 30 on most hosts, and what is left of it is all that an agent may be late. A guest's is slow. */
const FORGETS = IN_GUEST ? 60 : 30;

/** A machine that the host forwards for, as far as the host is concerned. */
async function prepare(): Promise<void> {
  const client = createNamespace(CLIENT_DIRECTORY, 'client');
  await ipBatch(undefined, [`link add up0 type veth peer name eth0 netns ${client.path}`, `addr add ${HOST}/24 dev up0`, 'link set up0 up']);
  await ipBatch(client, ['addr add 192.0.2.2/24 dev eth0', 'link set eth0 up', `route add default via ${HOST}`]);
  client.close();
  forward('1');
  for (const name of ['udp_timeout', 'udp_timeout_stream']) writeFileSync(`/proc/sys/net/netfilter/nf_conntrack_${name}`, `${FORGETS}`);
}

function forward(value: string): void {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', value);
}

const start = (by: DriverName): Promise<MeshAgent> => MeshAgent.up('auto', ['--offload', 'always', '--offload-driver', by, '--offload-after', '1s']);

async function startMesh(by: DriverName, ...options: string[]): Promise<MeshAgent> {
  const agent = await start(by);
  await vipmesh('network', 'create', 'overlay1');
  const ports = ['8080:80', '8007:7', 'published=8053,target=5300,protocol=udp'].flatMap((port) => ['-p', port]);
  await vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', ...PATIENTLY, ...options, ...ports, '--', ...SERVE);
  await agent.settles('vote', 2);
  return agent;
}

async function portsOf(agent: MeshAgent): Promise<OffloadRecord[]> {
  return (await agent.api.offloads()).filter(({ port }) => port !== undefined);
}

function reach(agent: MeshAgent, state: OffloadRecord['state'], ports = PORTS): Promise<OffloadRecord[]> {
  let last: OffloadRecord[] = [];
  return pollUntil(`${ports.join(', ')} are ${state}`, async () => {
    last = (await portsOf(agent)).filter(({ port = '' }) => ports.includes(port));
    return last.length === ports.length && last.every((record) => record.state === state) ? last : undefined;
  }, ASKED).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(last)}`));
}

/** A connection from the client that sends random bytes, slowly, until it is told to stop: then the endpoint says what it has got. */
class Upload {
  private constructor(
    readonly command: Command,
    readonly directory: string,
  ) {}

  static begin(): Upload {
    const directory = mkdtempSync('/run/tmp/upload-');
    const script = `while [ ! -e ${directory}/stop ]; do head -c 20000 /dev/urandom; sleep ${PAUSE}; done | tee ${directory}/sent | nc -N ${HOST} 8007`;
    const [file = '', ...prefix] = CLIENT;
    return new Upload(new Command(file, [...prefix, 'sh', '-c', script]), directory);
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

/** A UDP client elsewhere that says something only when it is told to. */
class Asker {
  private constructor(private readonly socket: Socket) {}

  static begin(): Asker {
    const client = openNamespace(CLIENT_DIRECTORY, 'client');
    const socket = createSocket('udp4');
    socket.bind({ fd: bindUdp(client, '192.0.2.2', 0) });
    client.close();
    return new Asker(socket);
  }

  get client(): string {
    return `192.0.2.2:${this.socket.address().port}`;
  }

  /** Which task answers. An endpoint that does not listen yet answers nothing: asks again, then. */
  async ask(): Promise<string> {
    const answer = once(this.socket, 'message', { signal: AbortSignal.timeout(SOON.timeout) }) as Promise<[Buffer]>;
    const send = (): void => this.socket.send('1', 8053, HOST);
    send();
    const again = setInterval(send, 1000);
    const [data] = await answer.finally(() => clearInterval(again));
    return data.toString().split(' ')[0] ?? '';
  }

  close(): void {
    this.socket.close();
  }
}

/** Waits for an upload on that path. */
function carried(agent: MeshAgent, path: 'relay' | 'kernel'): Promise<unknown> {
  return pollUntil(`an upload by ${path}`, async () => (await agent.api.flows()).some((flow) => flow.path === path && flow.network === 'ingress' && flow.endpoint.endsWith(':7') && flow.state === 'established'), ASKED);
}

/** Waits until the host knows a client's UDP session for longer than its own settings say. */
async function remembered({ client }: Asker): Promise<void> {
  const host = ownNamespace();
  await pollUntil('the host was reminded of a session', async () => {
    const flows = await trackedFlows(host);
    return flows.some(({ protocol, original, expires }) => protocol === 'udp' && `${original.source}:${original.sourcePort}` === client && expires > FORGETS);
  }, ASKED).catch(async (error: unknown) => assert.fail(`${String(error)}; ${client}; ${JSON.stringify((await trackedFlows(host)).filter(({ protocol }) => protocol === 'udp'))}`));
  host.close();
}

/** As the host says: it remembers them when they are over. */
async function webInKernel(): Promise<void> {
  const host = ownNamespace();
  await pollUntil('new connections are in the kernel', async () => (await trackedFlows(host)).some(({ original, reply }) => original.destinationPort === 8080 && reply.source !== original.destination), ASKED);
  host.close();
}

/** Connections to 8080 that the relay ever had. */
async function openedByRelay(agent: MeshAgent): Promise<number> {
  return (await portsOf(agent)).find(({ port }) => port === '8080/tcp')?.opened ?? 0;
}

interface Tools {
  /** All that is installed on the host for ports. */
  rules(): Promise<string>;
  /** Part of it while 8080 is sent. */
  readonly ours: RegExp;
  flush(): Promise<unknown>;
  /** In the sandbox: the mark, or the map's element. */
  readonly sandbox: readonly string[];
  readonly taken: (mark: number) => RegExp;
  /** Part of what is in the sandbox while 8080 is taken. */
  readonly inSandbox: RegExp;
  readonly flushSandbox: readonly string[];
}

const TOOLS: Readonly<Record<DriverName, Tools>> = {
  nft: {
    // One table is there only as long as its agent.
    rules: async () => (await run('nft', ['--handle', 'list', 'ruleset'], {})).replace(/^table ip vipmesh-keep-[^]*?^}\n/m, ''),
    ours: /table ip vipmesh-ingress-vm[^]*tcp \. 8080 : goto send/,
    flush: () => run('nft', ['flush', 'ruleset'], {}),
    sandbox: ['nft', 'list', 'table', 'ip', 'vipmesh'],
    taken: (mark) => new RegExp(`tcp \\. 8080 : jump service-0x${mark.toString(16)}`),
    inSandbox: /tcp \. 8080 : jump service/,
    flushSandbox: ['nft', 'flush', 'ruleset'],
  },
  ipvs: {
    rules: async () => `${await run('iptables', ['-t', 'nat', '-nL'], {}).catch(() => '')}${await run('iptables-save', ['-t', 'nat'], {})}`.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, ''),
    ours: /Chain VIPMESH-INGRESS-vm[0-9a-f]{4} \(2 references\)[^]*tcp dpt:8080[^\n]* to:[\d.]+:8080/,
    flush: () => run('sh', ['-ec', 'for table in nat filter; do iptables -t $table -F; iptables -t $table -X; done'], {}),
    sandbox: ['iptables', '-t', 'mangle', '-nvL'],
    taken: (mark) => new RegExp(`tcp dpt:8080 .*MARK set 0x${mark.toString(16)}`),
    inSandbox: /tcp dpt:8080 .*MARK set/,
    flushSandbox: ['sh', '-ec', 'for table in mangle nat; do iptables -t $table -F; iptables -t $table -X; done; ipvsadm -C'],
  },
};

async function inIngress(...[command = '', ...args]: string[]): Promise<string> {
  const pin = pinnedNamespaces().find((name) => name.endsWith('-ingress')) ?? assert.fail('no ingress sandbox');
  const netns = openNamespace('/run/netns', pin);
  try {
    return await run(command, args, { netns });
  } finally {
    netns.close();
  }
}

/** Streams from before the switch, after it, and over the switch back; UDP from one port; clients that connect all the time, elsewhere and on the host. */
export async function portsHandedOverAndBack(by: DriverName = 'nft'): Promise<void> {
  await prepare();
  const agent = await startMesh(by, '--offload', 'never');
  await handOverAndBack(agent, by);
  await agent.stop();
}

async function handOverAndBack(agent: MeshAgent, by: DriverName): Promise<void> {
  const tools = TOOLS[by];
  const early = Upload.begin();
  await carried(agent, 'relay');
  const asker = HeldFlows.under(CLIENT, 'udp', HOST, '8053', UDP_PACE);
  await asker.until('its first answer', (flows) => flows.of('answer').length > 0);
  const silent = Asker.begin();
  const answeredBy = await silent.ask();
  const clients = await Promise.all([SteadyClient.under(CLIENT, HOST, 8080), SteadyClient.under([], HOST, 8080), SteadyClient.under([], '127.0.0.1', 8080)]);

  await vipmesh('offload', 'enable', 'vote');
  const records = await reach(agent, 'offloaded');
  assert.equal(new Set(records.map(({ mark }) => mark)).size, 3, 'each has a mark of its own');
  await webInKernel();
  assert.match(await tools.rules(), tools.ours);
  const { mark = 0 } = records.find(({ port }) => port === '8080/tcp') ?? assert.fail();
  assert.match(await inIngress(...tools.sandbox), tools.taken(mark));
  const late = Upload.begin();
  await carried(agent, 'kernel');
  assert.match(await vipmesh('offload', 'ls'), /^vote +ingress +8080\/tcp +offloaded /m);
  const shown = await vipmesh('offload', 'show', 'vote');
  assert.match(shown, /^# in the sandbox of network ingress: ip netns exec vm[0-9a-f]{4}-ingress sh\n/m);
  assert.match(shown, /^# on the host\n[^]*8080/m);
  const answers = asker.of('answer').length;
  await asker.until('UDP goes on', (flows) => flows.of('answer').length > answers + 10);
  const pathOf = async ({ client: asking }: Asker): Promise<(string | undefined)[]> => (await agent.api.flows()).filter(({ protocol, client }) => protocol === 'udp' && client === asking).map(({ path }) => path);
  for (let n = 0; n < 2; n++) {
    await remembered(silent);
    assert.equal(await silent.ask(), answeredBy, 'a session that said nothing during the switch stays where it was');
  }
  assert.deepEqual(await pathOf(silent), ['relay']);
  silent.close();
  const later = Asker.begin();
  const laterBy = await later.ask();
  assert.deepEqual(await pathOf(later), ['kernel']);

  await vipmesh('offload', 'disable', 'vote');
  const opened = await openedByRelay(agent);
  await pollUntil('new connections are the relay\'s again', async () => (await openedByRelay(agent)) > opened + 20, ASKED);
  await remembered(later);
  assert.equal(await later.ask(), laterBy, "a session of the kernel's stays there");
  assert.deepEqual(await pathOf(later), ['kernel']);
  later.close();
  await early.finish();
  await late.finish();
  for (const client of clients) {
    const { failures, answers: bodies } = await client.stop();
    assert.deepEqual(failures, []);
    assert.ok(Object.keys(bodies).length >= 2, 'both endpoints were asked');
  }
  await asker.end();
  assert.equal(new Set(asker.of('answer').map(({ by: id }) => id)).size, 1, 'one endpoint answered the UDP client from first to last');
}

/** Rules of the host, and then of the sandbox, are flushed by another tool: they come back, and no new connection is refused meanwhile. */
export async function portsFlushed(by: DriverName = 'nft'): Promise<void> {
  await prepare();
  const agent = await startMesh(by);
  await flush(agent, by);
  await agent.stop();
}

async function flush(agent: MeshAgent, by: DriverName): Promise<void> {
  const tools = TOOLS[by];
  await reach(agent, 'offloaded');
  const steady = await SteadyClient.under(CLIENT, HOST, 8080);
  await webInKernel();
  // Connections of IPVS go with what is cleared; those of nftables are to outlast any flush.
  const stream = by === 'nft' ? Upload.begin() : undefined;
  if (stream) await carried(agent, 'kernel');
  const flushes: { begun: number; done: number }[] = [];
  for (const flush of [() => tools.flush(), () => inIngress(...tools.flushSandbox)]) {
    const begun = Date.now();
    await flush();
    flushes.push({ begun, done: Date.now() });
    await pollUntil('the rules are back', async () => tools.ours.test(await tools.rules()) && tools.inSandbox.test(await inIngress(...tools.sandbox)), ASKED);
    await pollUntil('and take new connections', async () => {
      const flows = (await agent.api.flows()).filter(({ path, endpoint }) => path === 'kernel' && endpoint.endsWith(':80'));
      return flows.some(({ state }) => state !== 'closed') && (await portsOf(agent)).every(({ state }) => state === 'offloaded');
    }, ASKED);
  }
  const { failedAt } = await steady.stop();
  await stream?.finish();
  if (by === 'nft') assert.deepEqual(failedAt, []);
  // What was in the kernel in that very moment lost its destination; what began after it is the relay's, or begins when the rules are back.
  for (const { at, error } of failedAt) assert.ok(flushes.some(({ begun, done }) => at >= begun - 3000 && at <= done), `${error}: begun at ${at}, flushed at ${JSON.stringify(flushes)}`);
}

/** With no agent at all the kernel goes on, the next agent takes over what is installed as it is, and `down` leaves nothing. */
export async function portsWithoutAgent(by: DriverName = 'nft'): Promise<void> {
  await prepare();
  const before = hostState();
  const agent = await startMesh(by);
  await killAndRemove(agent, by, before);
}

/** Handed over and back, and then without an agent: by one agent and the next, for a guest, where starting one takes its time. */
export async function portsWholeLife(by: DriverName = 'nft'): Promise<void> {
  await prepare();
  const before = hostState();
  const agent = await startMesh(by, '--offload', 'never');
  await handOverAndBack(agent, by);
  await vipmesh('offload', 'enable', 'vote');
  await killAndRemove(agent, by, before);
}

async function killAndRemove(agent: MeshAgent, by: DriverName, before: HostState): Promise<void> {
  const tools = TOOLS[by];
  const records = await reach(agent, 'offloaded');
  const marks = records.map(({ mark }) => mark);
  const file = join(mkdtempSync('/run/tmp/asking-'), 'answers');
  writeFileSync(file, '');
  const [nsenter = '', ...prefix] = CLIENT;
  const asking = new Command(nsenter, [...prefix, 'sh', '-c', `while [ ! -e ${file}.stop ]; do curl -sS -m 10 http://${HOST}:8080/ >>${file} 2>&1 || echo failed >>${file}; sleep ${PAUSE}; done`]);
  const lines = (): string[] => readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const stream = Upload.begin();
  await carried(agent, 'kernel');
  const installed = await tools.rules();
  assert.match(installed, tools.ours);
  assert.match(await inIngress(...tools.sandbox), tools.taken(records.find(({ port }) => port === '8080/tcp')?.mark ?? 0));
  await agent.kill();
  const then = lines().length;
  await pollUntil('the client gets answers without an agent', () => lines().length > then + ENOUGH, ASKED);
  const next = await start(by);
  await next.settles('vote', 2);
  assert.deepEqual((await reach(next, 'offloaded')).map(({ mark }) => mark), marks);
  const later = lines().length;
  await pollUntil('and with the next', () => lines().length > later + ENOUGH, ASKED);
  assert.equal(await tools.rules(), installed, 'nothing was touched');
  await stream.finish();
  writeFileSync(`${file}.stop`, '');
  await asking.ended;
  assert.deepEqual(lines().filter((line) => !/^[0-9a-f]{12} 10\./.test(line)), []);

  await next.kill();
  await vipmesh('down');
  assert.deepEqual(hostState(), before, 'down leaves nothing, with no agent alive');
  assert.doesNotMatch(await tools.rules(), /vipmesh/i);
  assert.doesNotMatch(await run('ip', ['route', 'show'], {}), /blackhole/);
}

/** The host does not forward, and then it does; another tool drops what it forwards; endpoints come and go; the service goes, and its connections are reset. */
export async function portsHindered(by: DriverName = 'nft'): Promise<void> {
  await prepare();
  forward('0');
  const agent = await startMesh(by);
  const because = (reason: RegExp): Promise<unknown> => pollUntil(`it says ${String(reason)}`, async () => (await portsOf(agent)).every((record) => record.state !== 'offloaded' && reason.test(record.reason ?? '')), ASKED);
  await because(/ip_forward is 0.*: sysctl -w net\.ipv4\.ip_forward=1/);
  forward('1');
  await reach(agent, 'offloaded');
  const steady = await SteadyClient.under(CLIENT, HOST, 8080);
  await webInKernel();
  await vipmesh('service', 'scale', ...PATIENTLY, 'vote=3');
  await agent.settles('vote', 3);
  await pollUntil('the new endpoint answers', () => steady.command.stdout.split('answered by').length > 3, ASKED);
  await vipmesh('service', 'scale', ...PATIENTLY, 'vote=1');
  await agent.settles('vote', 1);
  assert.deepEqual((await steady.stop()).failures, []);
  if (by === 'nft') {
    await run('nft', ['add table inet strict; add chain inet strict through { type filter hook forward priority 0; policy drop; }'], {});
    await because(/chain inet strict through of nftables drops/);
    await run('nft', ['delete table inet strict; add table inet fw; add chain inet fw input { type filter hook input priority 0; }; add rule inet fw input iifname up0 tcp dport 8080 drop'], {});
    await because(/chain inet fw input of nftables filters .*vipmesh offload enable/);
    await vipmesh('offload', 'enable', 'vote');
    await reach(agent, 'offloaded');
  }
  const clients = [HeldFlows.under(CLIENT, 'tcp', HOST, '8007', '1', '100')];
  // Who says nothing is asked by a raw socket, which not every test host has.
  if ((await rawObstacle()) === undefined) clients.push(HeldFlows.under(CLIENT, 'tcp', HOST, '8007', '1'), HeldFlows.under([], 'tcp', HOST, '8007', '1'));
  for (const client of clients) await client.until('it is open', (flows) => flows.of('open').length === 1);
  await carried(agent, 'kernel');
  assert.equal((await agent.api.flows()).filter(({ path, endpoint, state }) => path === 'kernel' && endpoint.endsWith(':7') && state === 'established').length, clients.length);
  await vipmesh('service', 'rm', 'vote');
  for (const client of clients) {
    await client.areReset();
    await client.end();
  }
  await pollUntil('nothing of ours is left', async () => !/vipmesh/i.test(await TOOLS[by].rules()), ASKED);
  await agent.stop();
}
