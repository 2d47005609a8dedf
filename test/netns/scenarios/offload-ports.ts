/**
 * Published ports that the kernel serves, by a whole agent: for clients elsewhere and on the host, handed over and taken back under
 * traffic, flushed, without an agent. With nftables, or, in a guest of test/vm, with iptables and IPVS.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OffloadRecord } from '../../../agent/control.js';
import { createNamespace, openNamespace } from '../../../kernel/netns/netns.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import type { DriverName } from '../../../kernel/offload/driver.js';
import { run } from '../../../kernel/run/runner.js';
import { pollUntil } from '../../support/poll-until.js';
import { HeldFlows } from './support/held.js';
import { pinnedNamespaces } from './support/host-state.js';
import { Command, MeshAgent, SERVE, SOON, vipmesh } from './support/mesh-agent.js';
import { SteadyClient } from './support/steady.js';

const HOST = '192.0.2.1';
const CLIENT_DIRECTORY = '/run/elsewhere';
const CLIENT = ['nsenter', `--net=${CLIENT_DIRECTORY}/client`];
/** Web, upload, UDP. */
const PORTS = ['8080/tcp', '8007/tcp', '8053/udp'];

/** A machine that the host forwards for, as far as the host is concerned. */
async function prepare(): Promise<void> {
  const client = createNamespace(CLIENT_DIRECTORY, 'client');
  await ipBatch(undefined, [`link add up0 type veth peer name eth0 netns ${client.path}`, `addr add ${HOST}/24 dev up0`, 'link set up0 up']);
  await ipBatch(client, ['addr add 192.0.2.2/24 dev eth0', 'link set eth0 up', `route add default via ${HOST}`]);
  client.close();
  forward('1');
}

function forward(value: string): void {
  writeFileSync('/proc/sys/net/ipv4/ip_forward', value);
}

const start = (by: DriverName): Promise<MeshAgent> => MeshAgent.up('auto', ['--offload', 'always', '--offload-driver', by, '--offload-after', '1s']);

async function startMesh(by: DriverName): Promise<MeshAgent> {
  const agent = await start(by);
  await vipmesh('network', 'create', 'overlay1');
  const ports = ['8080:80', '8007:7', 'published=8053,target=5300,protocol=udp'].flatMap((port) => ['-p', port]);
  await vipmesh('service', 'create', '--name', 'vote', '--network', 'overlay1', '--replicas', '2', ...ports, '--', ...SERVE);
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
  }, SOON).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(last)}`));
}

/** A connection from the client that sends random bytes, slowly, until it is told to stop: then the endpoint says what it has got. */
class Upload {
  private constructor(
    readonly command: Command,
    readonly directory: string,
  ) {}

  static begin(): Upload {
    const directory = mkdtempSync('/run/tmp/upload-');
    const script = `while [ ! -e ${directory}/stop ]; do head -c 20000 /dev/urandom; sleep 0.05; done | tee ${directory}/sent | nc -N ${HOST} 8007`;
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

/** Waits for an upload on that path. */
function carried(agent: MeshAgent, path: 'relay' | 'kernel'): Promise<unknown> {
  return pollUntil(`an upload by ${path}`, async () => (await agent.api.flows()).some((flow) => flow.path === path && flow.network === 'ingress' && flow.endpoint.endsWith(':7') && flow.state === 'established'), SOON);
}

function webInKernel(agent: MeshAgent): Promise<unknown> {
  return pollUntil('new connections are in the kernel', async () => (await agent.api.flows()).some((flow) => flow.path === 'kernel' && flow.network === 'ingress' && flow.endpoint.endsWith(':80')), SOON);
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
}

const TOOLS: Readonly<Record<DriverName, Tools>> = {
  nft: {
    rules: () => run('nft', ['--handle', 'list', 'ruleset'], {}),
    ours: /table ip vipmesh-ingress [^]*tcp \. 8080 : goto send/,
    flush: () => run('nft', ['flush', 'ruleset'], {}),
    sandbox: ['nft', 'list', 'table', 'ip', 'vipmesh'],
    taken: (mark) => new RegExp(`tcp \\. 8080 : jump service-0x${mark.toString(16)}`),
  },
  ipvs: {
    rules: async () => `${await run('iptables', ['-t', 'nat', '-nL', 'VIPMESH-INGRESS'], {}).catch(() => '')}${await run('iptables-save', ['-t', 'nat'], {})}`.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, ''),
    ours: /Chain VIPMESH-INGRESS \(2 references\)[^]*tcp dpt:8080[^\n]* to:[\d.]+:8080/,
    flush: () => run('sh', ['-ec', 'for table in nat filter; do iptables -t $table -F; iptables -t $table -X; done'], {}),
    sandbox: ['iptables', '-t', 'mangle', '-nvL'],
    taken: (mark) => new RegExp(`tcp dpt:8080 .*MARK set 0x${mark.toString(16)}`),
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
  const tools = TOOLS[by];
  const agent = await startMesh(by);
  const early = Upload.begin();
  await carried(agent, 'relay');
  const asker = HeldFlows.under(CLIENT, 'udp', HOST, '8053', '50');
  await asker.until('its first answer', (flows) => flows.of('answer').length > 0);
  const clients = await Promise.all([SteadyClient.under(CLIENT, HOST, 8080), SteadyClient.under([], HOST, 8080), SteadyClient.under([], '127.0.0.1', 8080)]);

  const records = await reach(agent, 'offloaded');
  assert.equal(new Set(records.map(({ mark }) => mark)).size, 3, 'each has a mark of its own');
  await webInKernel(agent);
  assert.match(await tools.rules(), tools.ours);
  const { mark = 0 } = records.find(({ port }) => port === '8080/tcp') ?? assert.fail();
  assert.match(await inIngress(...tools.sandbox), tools.taken(mark));
  const late = Upload.begin();
  await carried(agent, 'kernel');
  assert.match(await vipmesh('offload', 'ls'), /^vote +ingress +8080\/tcp +offloaded /m);
  const shown = await vipmesh('offload', 'show', 'vote');
  assert.match(shown, /^# in the sandbox of network ingress\n/m);
  assert.match(shown, /^# on the host\n[^]*8080/m);
  const answers = asker.of('answer').length;
  await asker.until('UDP goes on', (flows) => flows.of('answer').length > answers + 10);

  await vipmesh('offload', 'disable', 'vote');
  await pollUntil('new connections are the relay\'s again', async () => (await agent.api.flows()).some((flow) => flow.path === 'relay' && flow.client.startsWith('192.0.2.2') && flow.endpoint.endsWith(':80')), SOON);
  await early.finish();
  await late.finish();
  for (const client of clients) {
    const { failures, answers: bodies } = await client.stop();
    assert.deepEqual(failures, []);
    assert.ok(Object.keys(bodies).length >= 2, 'both endpoints were asked');
  }
  await asker.end();
  assert.equal(new Set(asker.of('answer').map(({ by: id }) => id)).size, 1, 'one endpoint answered the UDP client from first to last');
  await agent.stop();
}
