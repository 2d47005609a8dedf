/**
 * Networks with IPv6, of a real agent: what tasks on them have, what the name server says of it, and traffic between tasks,
 * directly and through VIPs.
 */
import { encryptionProblem } from '../../../agent/cluster/encryption.js';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { run } from '../../../kernel/run/runner.js';
import { ownNamespace } from '../../../kernel/netns/netns.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../overlay/model/object.js';
import type { FlowRecord } from '../../../proxy/dataplane/handle.js';
import { isIpv6 } from '../../../proxy/net/addr6.js';
import { blobHash } from '../../support/endpoint-server.js';
import type { MachineUser } from '../../support/machine-users.js';
import { Machine, type Running } from './support/machine.js';

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const sorted = (list: readonly string[]): string[] => [...list].sort();
const firstWords = (text: string): string[] => [...text.matchAll(/^[0-9a-f]{12}(?= )/gm)].map(([word]) => word);

interface Served {
  readonly machine: Machine;
  readonly agent: Running;
  readonly network: NetworkObject;
  readonly web: readonly TaskObject[];
  readonly vip6: string;
}

/** An agent with `six`, which has IPv6, and on it `web`, two endpoint servers that listen on both families. */
async function serve(user: MachineUser): Promise<Served> {
  const machine = Machine.setUp(user);
  const agent = await machine.up();
  await machine.vipmesh('network', 'create', '--ipv6', 'six');
  const network = await machine.object<NetworkObject>('network', 'inspect', 'six');
  await machine.vipmesh('service', 'create', '--name', 'web', '--replicas', '2', '--network', 'six', '--stop-grace-period', '1s', '--', ...machine.endpoint('::'));
  const web = await machine.objects<TaskObject>('service', 'ps', 'web');
  assert.equal(web.length, 2);
  const { vips } = await machine.object<ServiceObject>('service', 'inspect', 'web');
  return { machine, agent, network, web, vip6: vips[0]?.address6 ?? assert.fail('web has no IPv6 VIP') };
}

function address6Of(task: TaskObject): string {
  return task.addresses[0]?.address6 ?? assert.fail(`${task.name} has no IPv6 address`);
}

/** Addresses and names; tasks reach each other without a balancer; what is shown, and what is refused. */
export async function direct(user: MachineUser): Promise<void> {
  const { machine, agent, network, web, vip6 } = await serve(user);
  assert.match(network.subnet6 ?? '', /^fd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}:1::\/64$/);
  assert.equal(network.gateway6, network.subnet6?.replace('/64', '1'));
  assert.ok(isIpv6(network.balancer6 ?? ''));
  await machine.vipmesh('service', 'create', '--name', 'dv', '--endpoint-mode', 'dnsrr', '--replicas', '2', '--network', 'six', '--', ...machine.endpoint('::'));
  const dv = await machine.objects<TaskObject>('service', 'ps', 'dv');
  const six = sorted(dv.map(address6Of));
  const [first = assert.fail(), second = assert.fail()] = dv;
  const url = (address: string): string => `curl -6 -sS --max-time 20 http://[${address}]/`;

  const views = await machine.eachInTask('six', {
    // First of all: an address that had to be checked for duplicates would not be usable yet.
    tentative: 'ip -6 addr show tentative; ip -6 addr show dev eth0 scope global',
    first: `ping -6 -c 1 -W 10 ${address6Of(first)}`,
    vip: 'dig +short AAAA web',
    tasks: 'dig +short AAAA tasks.web.six',
    dnsrr: 'dig AAAA dv',
    name: `dig +short AAAA ${first.name}`,
    id: `dig +short AAAA ${first.id}.six`,
    both: 'dig +short A dv',
    reverse: `dig +short -x ${address6Of(first)}`,
    reverseVip: `dig +short -x ${vip6}`,
    absent: `dig -x ${network.subnet6?.replace('/64', 'dead') ?? ''}`,
    hosts: 'getent ahostsv6 $(hostname); cat /etc/hosts',
    ahosts: 'getent ahostsv6 dv',
    gateway: `ping -6 -c 2 -i 0.2 -W 10 ${network.gateway6 ?? ''}`,
    direct: `${url(address6Of(first))}; ${url(address6Of(second))}`,
    byName: 'for i in 1 2 3 4 5 6 7 8 9 10; do curl -6 -sS --max-time 20 http://dv/; done',
    udp: `echo hello | nc -6 -u -w 5 -W 1 ${address6Of(second)} 5300`,
    ipv4: 'curl -4 -sS --max-time 20 http://dv/',
    routes: 'ip -6 route show',
  });
  assert.match(views.tentative, new RegExp(`^[^]*inet6 ${network.subnet6?.replace('::/64', '') ?? ''}:\\S+/64 scope global`));
  assert.doesNotMatch(views.tentative, /tentative/);
  for (const view of ['first', 'gateway'] as const) assert.match(views[view], / 0% packet loss/, view);
  assert.equal(views.vip, `${vip6}\n`);
  assert.deepEqual(sorted(lines(views.tasks)), sorted(web.map(address6Of)));
  assert.deepEqual([...views.dnsrr.matchAll(/^dv\.\s+600\s+IN\s+AAAA\s+(\S+)$/gm)].map(([, address]) => address ?? '').sort(), six);
  for (const view of ['name', 'id'] as const) assert.equal(views[view], `${address6Of(first)}\n`, view);
  assert.deepEqual(sorted(lines(views.both)), sorted(dv.map(({ addresses }) => addresses[0]?.address ?? '')));
  assert.equal(views.reverse, `${first.name}.six.\n`);
  assert.equal(views.reverseVip, 'web.six.\n');
  assert.match(views.absent, /status: NXDOMAIN/);
  const own = /inet6 (\S+)\/64/.exec(views.tentative)?.[1] ?? '';
  assert.match(views.hosts, new RegExp(`^${own}\\s+STREAM`, 'm'));
  assert.match(views.hosts, new RegExp(`^${own}\\t[0-9a-f]{12}$`, 'm'));
  assert.deepEqual(sorted([...views.ahosts.matchAll(/^(\S+)\s+STREAM/gm)].map(([, address]) => address ?? '')), six);
  // A task's answer says who asked: nothing has changed the source on the way.
  assert.equal(views.direct, `${first.id} ${own}\n${second.id} ${own}\n`);
  // Which of the two is the C library's choice: it sorts what it gets (RFC 6724 section 6).
  assert.equal(firstWords(views.byName).filter((id) => id === first.id || id === second.id).length, 10, views.byName);
  assert.equal(views.udp, `${second.id} hello\n`);
  assert.match(views.ipv4, /^[0-9a-f]{12} 10\./);
  assert.doesNotMatch(views.routes, /default/);

  await spoofing(machine, network, first);
  await shown(machine, network, vip6, first);
  await refusals(machine);

  // Tasks and networks come and go with nothing left of them.
  await machine.vipmesh('service', 'scale', 'dv=1');
  await machine.vipmesh('service', 'rm', 'dv', 'web');
  await machine.stop(agent);
}

/** A task that takes another's address, or one that nobody has, is heard by nobody. */
async function spoofing(machine: Machine, network: NetworkObject, neighbour: TaskObject): Promise<void> {
  const stranger = network.subnet6?.replace('/64', 'bad') ?? '';
  const ping = (source: string): string => `ip addr add ${source}/128 dev lo nodad; ping -6 -c 1 -W 1 -I ${source} ${address6Of(neighbour)}`;
  const views = await machine.eachInTask('six', { stranger: ping(stranger), balancer: ping(network.balancer6 ?? ''), own: `ping -6 -c 1 -W 10 ${address6Of(neighbour)}` });
  for (const view of ['stranger', 'balancer'] as const) assert.match(views[view], / 100% packet loss/, view);
  assert.match(views.own, / 0% packet loss/);
}

async function shown(machine: Machine, network: NetworkObject, vip6: string, task: TaskObject): Promise<void> {
  assert.equal(await machine.vipmesh('network', 'ls', '--format', '{{.Name}} {{.Subnet}}'), `ingress 10.0.0.0/24\nsix ${network.subnet},${network.subnet6 ?? ''}\n`);
  assert.match(await machine.vipmesh('service', 'ls'), new RegExp(`10\\.0\\.1\\.\\d+,${vip6}$`, 'm'));
  assert.match(await machine.vipmesh('service', 'ps', 'dv'), new RegExp(`10\\.0\\.1\\.\\d+,${address6Of(task)} `));
}

async function refusals(machine: Machine): Promise<void> {
  assert.match(await machine.misused('network', 'create', '--ipv6', '--subnet', 'fd00:7::1/64', 'x'), /did you mean fd00:7::\/64\?/);
  assert.match(await machine.misused('network', 'create', '--subnet', 'fd00:7::/64', 'x'), /IPv6 is not asked for: turn it on \(--ipv6;/);
  await machine.vipmesh('network', 'create', '--ipv6', '--subnet', 'fd00:7::/64', '--gateway', 'fd00:7::fe', '--subnet', '10.7.0.0/24', 'own');
  const own = await machine.object<NetworkObject>('network', 'inspect', 'own');
  assert.deepEqual([own.subnet, own.gateway, own.subnet6, own.gateway6], ['10.7.0.0/24', '10.7.0.1', 'fd00:7::/64', 'fd00:7::fe']);
  assert.match(await machine.refused('network', 'create', '--ipv6', '--subnet', 'fd00:7:0:0:8::/80', 'x'), /overlaps fd00:7::\/64 of network 'own'/);
  await machine.vipmesh('network', 'create', 'plain');
  const plain = await machine.eachInTask('plain', { disabled: 'cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6', address: 'ip -6 addr show dev eth0' });
  assert.deepEqual(plain, { disabled: '1\n', address: '' });
  await encryption(machine);
  // A rootless agent has a network namespace of its own, where the host's setting is not.
  if (machine.mode !== 'root') return;
  await run('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
  assert.match(await machine.refused('network', 'create', '--ipv6', 'x'), /cannot have IPv6: IPv6 is disabled on this host[^]*sysctl -w net\.ipv6\.conf\.all\.disable_ipv6=0/);
  await run('sysctl', ['-qw', 'net.ipv6.conf.all.disable_ipv6=0']);
}

/** An encrypted network, where the kernel has what it takes; otherwise why not. */
async function encryption(machine: Machine): Promise<void> {
  const host = ownNamespace();
  const problem = await encryptionProblem(machine.mode === 'root' ? host : undefined);
  host.close();
  const create = ['network', 'create', '--opt', 'encrypted', 'secret'];
  if (problem) return assert.ok((await machine.refused(...create)).includes(`network secret cannot be encrypted: ${problem.message}`));
  await machine.vipmesh(...create);
  assert.equal((await machine.object<NetworkObject>('network', 'inspect', 'secret')).spec.encrypted, true);
}

/** Carried in `vips`, each way. */
const BYTES = 64 << 20;

/** Through the IPv6 VIP: TCP reaches both, UDP, ping, a large transfer each way, a hairpin, and `flows` shows it. */
export async function vips(user: MachineUser): Promise<void> {
  const { machine, agent, network, web, vip6 } = await serve(user);
  const ids = sorted(web.map(({ id }) => id));
  const each = (script: string): string => `for i in 1 2 3 4; do ${script}; done`;
  const http = each(`curl -6 -sS --max-time 20 http://web/`);
  const udp = each('echo hello | nc -6 -u -w 5 -W 1 web 5300');
  const views = await machine.eachInTask('six', {
    tcp: http,
    literal: each(`curl -sS --max-time 20 http://[${vip6}]/`),
    udp,
    ping: `ping -6 -c 3 -i 0.2 -W 5 ${vip6}`,
    large: 'ping -6 -c 1 -s 4000 -W 5 web',
    down: `curl -6 -sS --max-time 80 http://web/blob/${BYTES} | sha256sum`,
    up: `head -c ${BYTES} /dev/zero | nc -6 -N -w 60 web 7`,
    refused: "curl -6 -s -o /dev/null --max-time 20 -w '%{exitcode}' http://web:81/",
  });
  for (const view of ['tcp', 'literal', 'udp'] as const) assert.deepEqual(sorted(firstWords(views[view])), sorted([...ids, ...ids]), `${view}: ${views[view]}`);
  assert.equal(new Set([...views.tcp.matchAll(/ (\S+)$/gm)].map(([, peer]) => peer)).size, 1);
  assert.ok(views.tcp.includes(` ${network.balancer6 ?? ''}\n`), 'the endpoint sees the balancer');
  for (const view of ['ping', 'large'] as const) assert.match(views[view], / 0% packet loss/, view);
  assert.equal(views.down, `${blobHash(BYTES)}  -\n`);
  assert.match(views.up, new RegExp(`^(${ids.join('|')}) ${BYTES} ${createHash('sha256').update(Buffer.alloc(BYTES)).digest('hex')}\n$`));
  assert.equal(views.refused, '7', 'nobody listens: refused, not silent');

  const hairpin = await machine.vipmesh('exec', ids[0] ?? '', '--', 'sh', '-c', http);
  assert.deepEqual(sorted(firstWords(hairpin)), sorted([...ids, ...ids]), hairpin);
  const flows = await machine.objects<FlowRecord>('flows');
  assert.ok(flows.some(({ vip, protocol, service }) => vip === `[${vip6}]:5300` && protocol === 'udp' && service === 'web'), JSON.stringify(flows));
  await machine.stop(agent);
}
