/**
 * Scenarios for a network sandbox and the data plane that serves it, on a test host: two endpoints and a client in task
 * namespaces, real traffic through the VIP.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type DataplaneOptions, startDataplane } from '../../../agent/dataplane/start.js';
import { NetworkSandbox } from '../../../agent/sandbox/network-sandbox.js';
import { createNamespace, listNamespaces, type Namespace } from '../../../kernel/netns/netns.js';
import { CommandError, run, start } from '../../../kernel/run/runner.js';
import type { Snapshot } from '../../../proxy/config/snapshot.js';
import type { Dataplane } from '../../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../../proxy/net/addr.js';
import { blobHash } from '../../support/endpoint-server.js';
import { pollUntil } from '../../support/poll-until.js';

export const SUBNET = '10.0.1.0/24';
export const GATEWAY = '10.0.1.1';
export const VIP = '10.0.1.2';
const EMPTY_VIP = '10.0.1.3';
export const BALANCER = '10.0.1.250';
export const CLIENT = '10.0.1.9';
const ENDPOINTS = { a: '10.0.1.5', b: '10.0.1.6' } as const;
export const MTU = 1450;
export const INDEX = 7;

export interface Net {
  directory: string;
  sandbox: NetworkSandbox;
  dataplane: Dataplane;
  client: Namespace;
  tasks: Record<keyof typeof ENDPOINTS, Namespace>;
  lost: string[];
}

function snapshot(epoch: number, addresses: readonly string[]): Snapshot {
  const endpoints = addresses.map((address) => ({ id: address, address: parseIpv4(address), weight: 1 }));
  const services = [
    { id: 's1', name: 'vote', vip: parseIpv4(VIP), scheduler: 'rr' as const, endpoints },
    { id: 's2', name: 'empty', vip: parseIpv4(EMPTY_VIP), scheduler: 'rr' as const, endpoints: [] },
  ];
  return { epoch, networks: [{ index: INDEX, id: 'n1', name: 'overlay1', balancer: parseIpv4(BALANCER), services }] };
}

/** The network with everything on it, handed to `use` and taken down again; nothing may be left then. */
export async function withNet(use: (net: Net) => Promise<void>, options: DataplaneOptions = {}): Promise<void> {
  const directory = mkdtempSync(join(os.tmpdir(), 'netns-'));
  const lost: string[] = [];
  const dataplane = await startDataplane({ ...options, onDeviceLost: (network, cause) => lost.push(`${network} ${cause}`) });
  const sandbox = await NetworkSandbox.create({ directory, name: 'vm-net', subnet: SUBNET, gateway: GATEWAY, balancer: BALANCER, mtu: MTU, queues: dataplane.workers });
  const [client, a, b] = ['vm-client', 'vm-a', 'vm-b'].map((name) => createNamespace(directory, name)) as [Namespace, Namespace, Namespace];
  const tasks = { a, b };
  try {
    await dataplane.apply(snapshot(2, Object.values(ENDPOINTS)));
    await dataplane.attach(INDEX, sandbox.tunFds);
    await sandbox.setVips([VIP, EMPTY_VIP]);
    await sandbox.attachTask(client, { id: 'client', interface: 'eth0', address: CLIENT });
    await sandbox.attachTask(a, { id: 'a', interface: 'eth0', address: ENDPOINTS.a });
    await sandbox.attachTask(b, { id: 'b', interface: 'eth0', address: ENDPOINTS.b });
    await use({ directory, sandbox, dataplane, client, tasks, lost });
  } finally {
    await dataplane.detach(INDEX).catch(() => undefined);
    await dataplane.close();
    await sandbox.destroy();
    await sandbox.destroy();
    for (const namespace of [client, a, b]) {
      assert.equal(namespace.within(() => readFileSync('/proc/net/dev', 'utf8').includes('eth0')), false, 'eth0 goes with the sandbox');
      namespace.remove();
    }
    assert.deepEqual(listNamespaces(directory, ''), []);
  }
}

export async function startServers(net: Net): Promise<ChildProcess[]> {
  const program = fileURLToPath(new URL('../../support/endpoint-server.js', import.meta.url));
  const servers = (['a', 'b'] as const).map((id) =>
    start(process.execPath, [program, id], { netns: net.tasks[id], stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  await Promise.all(servers.map((server) => server.stdout!.take(1).toArray()));
  return servers;
}

export function stop(children: ChildProcess[]): void {
  for (const child of children) child.kill('SIGKILL');
}

const curl = (netns: Namespace, ...args: string[]): Promise<string> => run('curl', ['-sS', '--max-time', '20', ...args], { netns });

/** TCP, UDP, ping, hairpin and refusal through the VIP. */
export async function balances(): Promise<void> {
  await withNet(async (net) => {
    const servers = await startServers(net);
    const answers: string[] = [];
    for (let i = 0; i < 6; i++) answers.push((await curl(net.client, `http://${VIP}/`)).trim());
    assert.deepEqual([...answers].sort(), [...Array<string>(3).fill(`a ${BALANCER}`), ...Array<string>(3).fill(`b ${BALANCER}`)]);
    for (let i = 1; i < 6; i++) assert.notEqual(answers[i], answers[i - 1], `alternates: ${answers.join(', ')}`);

    for (const address of [VIP, GATEWAY, BALANCER, ENDPOINTS.a]) {
      assert.match(await run('ping', ['-c', '2', '-i', '0.2', '-W', '10', address], { netns: net.client }), / 0% packet loss/, address);
    }
    const empty = await run('sh', ['-c', `ping -c 1 -W 5 ${EMPTY_VIP} || true`], { netns: net.client });
    assert.match(empty, /^From 10\.0\.1\.3 icmp_seq=1 Destination Host Unreachable$/m, 'nobody there who could answer');

    const echoed = await run('nc', ['-u', '-w', '10', '-W', '1', VIP, '53'], { netns: net.client, input: 'hello' });
    assert.match(echoed, /^[ab] hello$/);

    // A task reaches itself through its own VIP: twice, so that each of the two endpoints has been its own.
    const hairpin = [await curl(net.tasks.a, `http://${VIP}/`), await curl(net.tasks.a, `http://${VIP}/`)].map((text) => text.trim());
    assert.deepEqual(hairpin.sort(), [`a ${BALANCER}`, `b ${BALANCER}`]);

    const began = performance.now();
    const refused = await curl(net.client, `http://${EMPTY_VIP}/`).catch((error: unknown) => error as CommandError);
    assert.ok(refused instanceof CommandError);
    assert.equal(refused.exitCode, 7);
    assert.ok(performance.now() - began < 1000, 'refused at once');

    const flows = net.dataplane.flows();
    assert.ok(flows.some((flow) => flow.protocol === 'udp' && flow.vip === `${VIP}:53` && flow.client.startsWith(`${CLIENT}:`)));
    assert.ok(flows.every((flow) => flow.network === 'overlay1' && flow.service === 'vote' && flow.path === 'tun'));
    const counters = net.dataplane.counters();
    assert.equal(counters.refusedNoEndpoint, 2, 'curl and ping');
    assert.equal(counters.deviceWriteErrors, 0);
    assert.equal(counters.deviceWriteInvalid, 0);
    stop(servers);
  });
}

/** Endpoints and VIPs come and go; every change is idempotent. */
export async function changes(): Promise<void> {
  await withNet(async (net) => {
    const servers = await startServers(net);
    await net.dataplane.apply(snapshot(3, [ENDPOINTS.b]));
    for (let i = 0; i < 3; i++) assert.match(await curl(net.client, `http://${VIP}/`), /^b /);
    assert.equal(net.dataplane.flowsTo(INDEX, { address: parseIpv4(ENDPOINTS.a) }), 0);

    const routes = async (): Promise<string> => run('ip', ['-4', 'route', 'show', 'dev', 'vip0'], { netns: net.sandbox.namespace });
    await net.sandbox.setVips([VIP]);
    await net.sandbox.setVips([VIP]);
    assert.deepEqual((await routes()).trim().split(/\s*\n\s*/).map((line) => line.split(' ')[0]), [VIP, BALANCER]);
    // Somebody takes away a route that we then want gone: that fails once, and the next time what is there is looked at.
    await run('ip', ['route', 'del', `${VIP}/32`], { netns: net.sandbox.namespace });
    await assert.rejects(net.sandbox.setVips([EMPTY_VIP]), /No such process/);
    await net.sandbox.setVips([EMPTY_VIP, VIP]);
    assert.match(await curl(net.client, `http://${VIP}/`), /^b /);

    await net.sandbox.detachTask('client');
    await net.sandbox.detachTask('client');
    await assert.rejects(run('ip', ['link', 'show', 'eth0'], { netns: net.client }));
    await net.sandbox.attachTask(net.client, { id: 'client', interface: 'eth0', address: CLIENT });
    assert.match(await curl(net.client, `http://${VIP}/`), /^b /);
    const links = async (): Promise<string[]> => (await run('ip', ['-br', 'link'], { netns: net.sandbox.namespace })).split('\n').sort();
    const before = await links();
    const again = net.sandbox.attachTask(net.tasks.a, { id: 'second', interface: 'eth0', address: '10.0.1.77' });
    await assert.rejects(again, /File exists/, 'eth0 is taken');
    await assert.rejects(net.sandbox.attachTask(net.client, { id: 'third', interface: 'eth1', address: CLIENT }), /File exists/, 'the address is taken');
    assert.deepEqual(await links(), before, 'nothing half-made remains');
    stop(servers);
  });
}

/** A task that uses an address that is not its own reaches nobody. */
export async function refusesSpoofing(): Promise<void> {
  await withNet(async (net) => {
    await run('ip', ['addr', 'add', '10.0.1.77/32', 'dev', 'lo'], { netns: net.client });
    const ping = (...args: string[]): Promise<string> => run('ping', ['-c', '1', ...args], { netns: net.client });
    assert.match(await ping('-W', '10', GATEWAY), / 0% packet loss/);
    for (const address of ['10.0.1.77', BALANCER, ENDPOINTS.a]) {
      await run('ip', ['addr', 'replace', `${address}/32`, 'dev', 'lo'], { netns: net.client });
      await assert.rejects(ping('-W', '1', '-I', address, GATEWAY), CommandError, `as ${address}`);
    }
  });
}

/** A TUN that vanishes is reported and let go; the worker serves the others and still answers. */
export async function survivesLostDevice(options: DataplaneOptions = {}): Promise<void> {
  await withNet(async (net) => {
    const directory = mkdtempSync(join(os.tmpdir(), 'netns-'));
    const other = await NetworkSandbox.create({ directory, name: 'vm-other', subnet: '10.0.2.0/24', gateway: '10.0.2.1', balancer: '10.0.2.250', mtu: MTU, queues: net.dataplane.workers });
    await net.dataplane.attach(8, other.tunFds);
    await run('ip', ['link', 'del', 'vip0'], { netns: other.namespace });
    await pollUntil('the loss is reported', () => net.lost.length > 0);
    assert.match(net.lost.join(), /^8 /);
    assert.equal(net.dataplane.counters().devicesLost, 1);
    await net.dataplane.detach(8);
    await other.destroy();
    assert.match(await run('ping', ['-c', '1', '-W', '10', VIP], { netns: net.client }), / 0% packet loss/);
  }, options);
}

export const survivesLostDeviceByPoll = (): Promise<void> => survivesLostDevice({ packetIo: 'poll' });

/** A large body arrives unchanged, over every endpoint. */
export async function keepsBytes(options: DataplaneOptions = {}): Promise<void> {
  await withNet(async (net) => {
    const servers = await startServers(net);
    const bytes = 256 << 20;
    const expected = blobHash(bytes);
    for (let i = 0; i < 2; i++) {
      const sum = await run('sh', ['-c', `curl -sS --max-time 60 http://${VIP}/blob/${bytes} | sha256sum`], { netns: net.client });
      assert.equal(sum.split(' ')[0], expected);
    }
    stop(servers);
  }, options);
}

export const keepsBytesByPoll = (): Promise<void> => keepsBytes({ packetIo: 'poll' });

interface IperfReport {
  error?: string;
  end: { sum_sent: { bytes: number; bits_per_second: number }; sum_received: { bytes: number; bits_per_second: number }; sum?: { lost_percent: number; bits_per_second: number } };
}

/** TCP in both directions and UDP, with what they reach printed. */
export async function throughput(): Promise<void> {
  await withNet(async (net) => {
    // One endpoint: iperf3's control connection and its data connections must reach the same server.
    await net.dataplane.apply(snapshot(3, [ENDPOINTS.a]));
    // A new server for each run: one that serves several closes its listening socket for a moment in between.
    const iperf = async (...args: string[]): Promise<IperfReport> => {
      const server = start('iperf3', ['-s', '-1'], { netns: net.tasks.a, stdio: 'ignore' });
      const exited = once(server, 'exit');
      await pollUntil('iperf3 listens', async () => (await run('ss', ['-lnt'], { netns: net.tasks.a })).includes(':5201'));
      const report = JSON.parse(await run('iperf3', ['-c', VIP, '-J', '-t', '3', ...args], { netns: net.client })) as IperfReport;
      assert.equal(report.error, undefined);
      await exited;
      return report;
    };
    const gigabits = (report: IperfReport): string => (report.end.sum_received.bits_per_second / 1e9).toFixed(2);
    const up = await iperf();
    const down = await iperf('-R');
    const udp = await iperf('-u', '-b', '50M');
    assert.ok(up.end.sum_received.bytes > 0 && down.end.sum_received.bytes > 0);
    assert.ok(udp.end.sum && udp.end.sum.bits_per_second > 0 && udp.end.sum.lost_percent < 100);
    const lost = udp.end.sum.lost_percent.toFixed(2);
    process.stdout.write(`iperf3 through the VIP: ${gigabits(up)} Gbit/s, reverse ${gigabits(down)} Gbit/s, UDP at 50 Mbit/s loses ${lost} %\n`);
    process.stdout.write(`counters: ${JSON.stringify(Object.fromEntries(Object.entries(net.dataplane.counters()).filter(([, n]) => n > 0)))}\n`);
  });
}
