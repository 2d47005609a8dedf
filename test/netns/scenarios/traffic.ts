/**
 * Traffic between real tasks of a real agent, through VIPs and published ports: much of it, of every kind, and none where
 * nobody is there to take it.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../overlay/model/object.js';
import { blobHash } from '../../support/endpoint-server.js';
import type { MachineUser } from '../../support/machine-users.js';
import { pollUntil } from '../../support/poll-until.js';
import { Machine, type Running } from './support/machine.js';

/** How much is carried each way in `bulk`: a GiB once, and less where all of it is the same but for the user. */
const BULK: Readonly<Record<MachineUser, number>> = { root: 1 << 30, nobody: 256 << 20, userns: 256 << 20 };

interface Served {
  readonly machine: Machine;
  readonly agent: Running;
  /** Ids of the tasks of `server`, sorted. */
  readonly ids: readonly string[];
  readonly vip: (service: string) => Promise<string>;
}

/** An agent with overlay1 on it and on that the service `server`, two endpoint servers. */
async function serve(user: MachineUser): Promise<Served> {
  const machine = Machine.setUp(user);
  const agent = await machine.up();
  await machine.vipmesh('network', 'create', 'overlay1');
  const ports = ['-p', '8080:80', '-p', '7007:7', '-p', '5353:5300/udp'];
  // A UDP flow is one for minutes: a task that has one is only ended when its grace is over.
  await machine.vipmesh('service', 'create', '--name', 'server', '--replicas', '2', '--network', 'overlay1', ...ports, '--stop-grace-period', '1s', '--', ...machine.endpoint());
  const ids = (await machine.objects<TaskObject>('service', 'ps', 'server')).map(({ id }) => id).sort();
  assert.equal(ids.length, 2);
  const network = await machine.object<NetworkObject>('network', 'inspect', 'overlay1');
  const vip = async (service: string): Promise<string> => {
    const { vips } = await machine.object<ServiceObject>('service', 'inspect', service);
    return vips.find(({ networkId }) => networkId === network.id)?.address ?? assert.fail(`${service} has no VIP`);
  };
  return { machine, agent, ids, vip };
}

const firstWords = (text: string): string[] => [...text.matchAll(/^[0-9a-f]{12}(?= )/gm)].map(([word]) => word);

interface IperfReport {
  readonly error?: string;
  readonly end: {
    readonly sum_received: { readonly bytes: number; readonly bits_per_second: number };
    readonly sum?: { readonly bytes: number; readonly lost_percent: number };
  };
}

/** A file with the right SHA-256 through the VIP and through the published port; iperf3 both ways and with UDP. */
export async function bulk(user: MachineUser): Promise<void> {
  const { machine, agent } = await serve(user);
  const bytes = BULK[user];
  const fetch = (url: string): string => `curl -sS --max-time 80 ${url}/blob/${bytes} | sha256sum`;
  const began = performance.now();
  const fetching = [machine.inTask('overlay1', fetch('http://server')), machine.run('sh', ['-c', fetch('http://127.0.0.1:8080')])];
  // Meanwhile: most of the time is spent on the three sums.
  const expected = blobHash(bytes);
  const [inside, published] = await Promise.all(fetching);
  assert.equal(inside, `${expected}  -\n`, 'through the VIP');
  assert.equal(published, `${expected}  -\n`, 'through the published port');
  process.stdout.write(`${bytes >> 20} MiB through the VIP and through the published port, at once, with their sums: ${((performance.now() - began) / 1000).toFixed(1)} s\n`);

  await machine.vipmesh('service', 'create', '--name', 'perf', '--network', 'overlay1', '--', 'iperf3', '-s');
  const iperf = (...args: string[]): Promise<IperfReport> =>
    // Between two clients iperf3 closes its listening socket for a moment.
    pollUntil(`iperf3 ${args.join(' ')}`, async () => {
      const report = JSON.parse(await machine.inTask('overlay1', `iperf3 -c perf -J -t 2 ${args.join(' ')} || true`)) as IperfReport;
      if (report.error !== undefined) throw new Error(report.error);
      return report;
    }, { timeout: 90_000 });
  const [up, down, udp] = [await iperf(), await iperf('-R'), await iperf('-u', '-b', '50M')];
  assert.ok(up.end.sum_received.bytes > 0 && down.end.sum_received.bytes > 0);
  assert.ok(udp.end.sum && udp.end.sum.bytes > 0 && udp.end.sum.lost_percent < 100);
  const gigabits = ({ end }: IperfReport): string => (end.sum_received.bits_per_second / 1e9).toFixed(2);
  process.stdout.write(`iperf3 through the VIP: ${gigabits(up)} Gbit/s, reverse ${gigabits(down)} Gbit/s, UDP at 50 Mbit/s loses ${udp.end.sum.lost_percent.toFixed(2)} %\n`);
  await machine.stop(agent);
}

/** TCP, UDP, half-closed connections, ping and hairpins, from tasks and from the host. */
export async function kinds(user: MachineUser): Promise<void> {
  const { machine, agent, ids, vip } = await serve(user);
  const address = await vip('server');
  const upload = randomBytes(3_000_000);
  writeFileSync('/run/tmp/upload', upload);
  const digest = `${upload.length} ${createHash('sha256').update(upload).digest('hex')}\n`;

  // nc -N ends its side at the end of its input; the server answers after that end only.
  const shell = (script: string): Promise<string> => machine.run('sh', ['-c', script]);
  for (const host of ['127.0.0.1', '::1']) assert.match(await shell(`nc -N -w 20 ${host} 7007 < /run/tmp/upload`), new RegExp(`^(${ids.join('|')}) ${digest}$`), host);

  // Each nc is a flow of its own, and each flow has the next endpoint.
  const datagrams = (host: string, port: number): string => `for i in 1 2 3 4; do echo hello | nc -u -w 5 -W 1 ${host} ${port}; done`;
  for (const host of ['127.0.0.1', '::1']) {
    const echoes = await shell(datagrams(host, 5353));
    assert.deepEqual(firstWords(echoes).sort(), [...ids, ...ids].sort(), `${host}: ${echoes}`);
    assert.equal(echoes.match(/ hello$/gm)?.length, 4);
  }
  // One flow stays with its endpoint, whatever goes to and fro.
  const flow = await shell(`for i in 1 2 3; do echo $i; sleep 0.1; done | nc -u -w 5 -W 3 127.0.0.1 5353`);
  assert.equal(flow.trim().split('\n').length, 3, flow);
  assert.equal(new Set(firstWords(flow)).size, 1, flow);

  const inside = await machine.eachInTask('overlay1', {
    tcp: 'for i in 1 2 3 4; do curl -sS --max-time 20 http://server; done',
    upload: 'nc -N -w 20 server 7 < /run/tmp/upload',
    udp: datagrams('server', 5300),
    ping: 'ping -c 3 -i 0.2 -W 5 server',
  });
  assert.deepEqual(firstWords(inside.tcp).sort(), [...ids, ...ids].sort(), inside.tcp);
  assert.match(inside.upload, new RegExp(`^(${ids.join('|')}) ${digest}$`));
  assert.deepEqual(firstWords(inside.udp).sort(), [...ids, ...ids].sort(), inside.udp);
  assert.match(inside.ping, new RegExp(`PING server \\(${address.replaceAll('.', '\\.')}\\)[^]* 0% packet loss`));

  // A task that asks its own service reaches itself as well.
  const [own = ''] = ids;
  const hairpin = await machine.vipmesh('exec', own, '--', 'sh', '-c', `for i in 1 2 3 4; do curl -sS --max-time 20 http://server; done; ${datagrams('server', 5300)}`);
  assert.deepEqual(firstWords(hairpin).sort(), ids.flatMap((id) => [id, id, id, id]), hairpin);
  await machine.stop(agent);
}

/** Nobody there: an answer at once, never silence. And the VIP outlives its endpoints. */
export async function nobodyThere(user: MachineUser): Promise<void> {
  const { machine, agent, ids, vip } = await serve(user);
  const address = await vip('server');
  const time = `-o /dev/null --max-time 20 -w '%{exitcode} %{time_total}'`;
  const views = (): Promise<Record<'tcp' | 'closed' | 'udp' | 'ping' | 'name', string>> =>
    machine.eachInTask('overlay1', {
      tcp: `curl -s ${time} http://server`,
      closed: `curl -s ${time} http://server:81`,
      udp: `dig @server +tries=1 +time=10 example.com`,
      ping: 'ping -c 1 -W 5 server',
      name: 'dig +short server',
    });
  const assertRefused = (text: string, expected: RegExp, what: string): void => {
    const [code = '', seconds = ''] = text.trim().split(' ');
    assert.match(code, expected, `${what}: ${text}`);
    assert.ok(Number(seconds) < 2, `${what}, at once: ${text}`);
  };

  // A port on which the endpoints do not listen: they say so themselves.
  const there = await views();
  assertRefused(there.tcp, /^0$/, 'somebody there');
  assertRefused(there.closed, /^7$/, 'a port that nobody serves');
  assert.match(there.udp, /connection refused/);

  await machine.vipmesh('service', 'scale', 'server=0');
  await machine.closes('server');
  const empty = await views();
  assertRefused(empty.tcp, /^7$/, 'TCP to a VIP without endpoint');
  assert.match(empty.udp, /connection refused/, 'UDP to a VIP without endpoint');
  assert.match(empty.ping, /^From .* icmp_seq=1 Destination Host Unreachable$/m, 'nobody there who could answer');
  assert.equal(empty.name, `${address}\n`);
  // A relay has accepted before it knows: its refusal is a reset.
  assertRefused(await machine.run('sh', ['-c', `curl -s ${time} http://127.0.0.1:8080 || true`]), /^(7|52|56)$/, 'a published port without endpoint');

  await machine.vipmesh('service', 'scale', 'server=2');
  assert.equal(await vip('server'), address, 'the VIP stays');
  const back = (await machine.objects<TaskObject>('service', 'ps', 'server', '--running')).map(({ id }) => id).sort();
  assert.equal(back.some((id) => ids.includes(id)), false, 'other tasks');
  const again = await machine.inTask('overlay1', 'for i in 1 2 3 4; do curl -sS --max-time 20 http://server; done');
  assert.deepEqual(firstWords(again).sort(), [...back, ...back].sort(), again);
  const published = await machine.run('sh', ['-c', 'for i in 1 2 3 4; do curl -sS --max-time 20 http://127.0.0.1:8080; done']);
  assert.deepEqual(firstWords(published).sort(), [...back, ...back].sort(), published);

  // From the beginning without.
  await machine.vipmesh('service', 'create', '--name', 'empty', '--replicas', '0', '--network', 'overlay1', '--', 'sleep', 'infinity');
  assertRefused(await machine.inTask('overlay1', `curl -s ${time} http://empty || true`), /^7$/, 'a service without tasks');
  await machine.stop(agent);
}
