/**
 * What the kernel's own clients see of the path through a VIP: its hops, its MTU, datagrams larger than that, IP options.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childrenOf } from '../../../agent/tasks/process-tree.js';
import { run } from '../../../kernel/run/runner.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../overlay/model/object.js';
import { blobHash } from '../../support/endpoint-server.js';
import { NOBODY } from '../../support/capability.js';
import type { MachineUser } from '../../support/machine-users.js';
import { Machine, type Running } from './support/machine.js';

const HELD_FLOWS = fileURLToPath(new URL('../../support/held-flows.js', import.meta.url));
const DATAGRAM_CLIENT = fileURLToPath(new URL('../../support/datagram-client.js', import.meta.url));
const SIZES = [4000, 60_000];
/** Of the narrow hop, by family; both less than any network's own. */
const NARROW = { 4: 1300, 6: 1290 } as const;
/** Carried over it each way: many segments, and no more than that. */
const BYTES = 2_000_000;

interface Address {
  readonly address: string;
  readonly address6: string;
}

interface Mesh {
  readonly machine: Machine;
  readonly agent: Running;
  readonly network: NetworkObject;
  readonly vip: Address;
  readonly web: TaskObject;
  readonly client: TaskObject;
}

async function serve(user: MachineUser): Promise<Mesh> {
  const machine = Machine.setUp(user);
  const agent = await machine.up();
  await machine.vipmesh('network', 'create', '--ipv6', 'six');
  await machine.vipmesh('service', 'create', '--name', 'web', '--network', 'six', '--drain-timeout', '0s', '--', ...machine.endpoint('::'));
  await machine.vipmesh('service', 'create', '--name', 'client', '--network', 'six', '--', 'sleep', 'infinity');
  const { vips } = await machine.object<ServiceObject>('service', 'inspect', 'web');
  const task = (service: string): Promise<TaskObject> => machine.object<TaskObject>('service', 'ps', service);
  const [network, web, client] = [await machine.object<NetworkObject>('network', 'inspect', 'six'), await task('web'), await task('client')];
  return { machine, agent, network, vip: both(vips[0]), web, client };
}

function both(addresses: { readonly address: string; readonly address6?: string } | undefined): Address {
  const { address = assert.fail('no address'), address6 = assert.fail('no IPv6 address') } = addresses ?? {};
  return { address, address6 };
}

/** Path of the network's sandbox, as the scenario sees it: a rootless agent pins it where only it looks. */
function sandboxOf({ machine, agent }: Mesh): string {
  const [inner] = childrenOf(agent.pid);
  const directory = machine.mode === 'root' ? '/run/netns' : `/proc/${inner ?? ''}/root/run/user/${NOBODY}/vipmesh/netns`;
  return join(directory, readdirSync(directory).find((name) => name.endsWith('-six')) ?? assert.fail('it has no sandbox'));
}

/** Makes the sandbox's link to a task one for small packets, as a tunnel on the way would be. */
async function narrow(mesh: Mesh, task: TaskObject): Promise<void> {
  const { address, address6 } = both(task.addresses[0]);
  const inSandbox = (...args: string[]): Promise<string> => run('nsenter', [`--net=${sandboxOf(mesh)}`, 'ip', ...args]);
  for (const [family, host, mtu] of [['-4', address, NARROW[4]], ['-6', address6, NARROW[6]]] as const) {
    const [route] = (await inSandbox(family, 'route', 'show', host)).trim().split('\n');
    await inSandbox(family, 'route', 'change', ...(route ?? assert.fail(`no route to ${host}`)).split(' ').filter(Boolean), 'mtu', `${mtu}`);
  }
}

/** Hops, options and large packets; then transfers over a hop too narrow for them, near the endpoint and near the client. */
export async function paths(user: MachineUser): Promise<void> {
  const mesh = await serve(user);
  await hops(mesh);
  await largePackets(mesh);
  await pathMtu(mesh);
  await mesh.machine.stop(mesh.agent);
}

/** traceroute by UDP, ICMP and TCP; record route and timestamps (RFC 791) come back as they were collected. */
async function hops({ machine, network, vip, web, client }: Mesh): Promise<void> {
  const trace = (...options: string[]): string => `traceroute -n -q 1 -N 1 -m 5 -w 5 ${options.join(' ')} web`;
  const views = await machine.eachIn(client.id, {
    udp: trace('-4'),
    icmp: trace('-4', '-I'),
    tcp: trace('-4', '-T', '-p', '80'),
    udp6: trace('-6'),
    icmp6: trace('-6', '-I'),
    tcp6: trace('-6', '-T', '-p', '80'),
    route: 'ping -4 -n -c 1 -W 5 -R web',
    time: 'ping -4 -n -c 1 -W 5 -T tsonly web',
  });
  const seen = (text: string): string[] => [...text.matchAll(/^ *\d+ {2}(\S+)/gm)].map(([, hop]) => hop ?? '');
  // The sandbox routes a packet twice: to the balancer, and from it.
  for (const kind of ['udp', 'icmp', 'tcp'] as const) assert.deepEqual(seen(views[kind]), [network.gateway, network.gateway, vip.address], `${kind}: ${views[kind]}`);
  for (const kind of ['udp6', 'icmp6', 'tcp6'] as const) assert.deepEqual(seen(views[kind]), [network.gateway6, network.gateway6, vip.address6], `${kind}: ${views[kind]}`);
  assert.match(views.route, / 0% packet loss/);
  const recorded = [...views.route.matchAll(/^(?:RR:)?\s+(\d+\.\d+\.\d+\.\d+)$/gm)].map(([, address]) => address ?? '');
  const [from, to] = [both(client.addresses[0]).address, both(web.addresses[0]).address];
  assert.deepEqual([recorded[0], recorded.at(-1), recorded.includes(to)], [from, from, true], views.route);
  assert.match(views.time, / 0% packet loss/);
  assert.match(views.time, /^TS:\s+\d+ absolute\n(?:\s+-?\d+\n){7}/m, 'every hop had a place in it');
}

/** Fragments, both ways. */
async function largePackets({ machine, client }: Mesh): Promise<void> {
  const pings = (family: string): string => SIZES.map((bytes) => `ping ${family} -n -c 1 -W 5 -s ${bytes} web`).join('; ');
  const views = await machine.eachIn(client.id, { udp: `${process.execPath} ${DATAGRAM_CLIENT} web 5300 ${SIZES.join(' ')}`, ping: pings('-4'), ping6: pings('-6') });
  assert.deepEqual(views.udp.trim().split('\n'), [4, 6].flatMap((family) => SIZES.map((bytes) => `${family} ${bytes} same`)));
  for (const view of ['ping', 'ping6'] as const) assert.equal(views[view].match(/ 0% packet loss/g)?.length, SIZES.length, `${view}: ${views[view]}`);
}

/** Packet too big, from a hop behind the balancer and from one before it (RFC 1191, RFC 8201). */
async function pathMtu(mesh: Mesh): Promise<void> {
  const { machine, network, vip, web, client } = mesh;
  const digest = `${web.id} ${BYTES} ${createHash('sha256').update(Buffer.alloc(BYTES)).digest('hex')}\n`;
  const mtu = (text: string): number | undefined => ((found) => (found === undefined ? undefined : Number(found)))(/ mtu (\d+)/.exec(text)?.[1]);
  const learnt = async (task: TaskObject, towards: Address): Promise<(number | undefined)[]> => {
    const { ipv4, ipv6 } = await machine.eachIn(task.id, { ipv4: `ip route get ${towards.address}`, ipv6: `ip -6 route get ${towards.address6}` });
    return [mtu(ipv4), mtu(ipv6)];
  };
  const balancer = both({ address: network.balancer, ...(network.balancer6 !== undefined && { address6: network.balancer6 }) });
  assert.deepEqual([await learnt(client, vip), await learnt(web, balancer)], [[undefined, undefined], [undefined, undefined]], 'nothing is known yet');

  await narrow(mesh, web);
  const up = (family: number): string => `head -c ${BYTES} /dev/zero | nc -${family} -N -w 30 web 7`;
  const sent = await machine.eachIn(client.id, { ipv4: up(4), ipv6: up(6) });
  assert.deepEqual(sent, { ipv4: digest, ipv6: digest });
  assert.deepEqual(await learnt(client, vip), [NARROW[4], NARROW[6]], 'the client was told');

  await narrow(mesh, client);
  // A client that knows would offer segments so small that nobody else has to be told.
  await machine.eachIn(client.id, { ipv4: 'ip -4 route flush cache', ipv6: 'ip -6 route flush cache' });
  assert.deepEqual(await learnt(client, vip), [undefined, undefined]);
  const down = (family: number): string => `curl -${family} -sS --max-time 40 http://web/blob/${BYTES} | sha256sum`;
  const received = await machine.eachIn(client.id, { ipv4: down(4), ipv6: down(6) });
  const sum = `${blobHash(BYTES)}  -\n`;
  assert.deepEqual(received, { ipv4: sum, ipv6: sum });
  assert.deepEqual(await learnt(web, balancer), [NARROW[4], NARROW[6]], 'the endpoint was told');
}

const CONNECTIONS = 300;
const LARGE = 64 << 20;

/** With two workers: many connections that stay, and beside them transfers both ways and datagrams. */
export async function workers(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  const agent = await machine.up('--workers', '2');
  assert.match(await machine.vipmesh('status'), /^Workers: +2$/m);
  await machine.vipmesh('network', 'create', 'overlay1');
  await machine.vipmesh('service', 'create', '--name', 'web', '--replicas', '2', '--network', 'overlay1', '--stop-grace-period', '1s', '--', ...machine.endpoint());
  const ids = (await machine.objects<TaskObject>('service', 'ps', 'web')).map(({ id }) => id).sort();
  const held = '/run/tmp/held';
  const views = await machine.eachInTask('overlay1', {
    begin: `${process.execPath} ${HELD_FLOWS} tcp web 7 ${CONNECTIONS} > ${held} & holder=$!`,
    down: `(for i in 1 2 3 4; do curl -sS --max-time 60 http://web/blob/${LARGE} | sha256sum & done; wait)`,
    up: `head -c ${LARGE} /dev/zero | nc -N -w 60 web 7`,
    names: 'for i in $(seq 20); do curl -sS --max-time 20 http://web; done',
    held: `until [ $(wc -l < ${held}) -ge ${CONNECTIONS} ]; do sleep 0.05; done; ss -Htn state established 'dport = :7' | wc -l`,
    end: `grep -vc '"open"' ${held}; kill $holder`,
  });
  assert.deepEqual(views.down.trim().split('\n'), Array<string>(4).fill(`${blobHash(LARGE)}  -`));
  assert.match(views.up, new RegExp(`^(${ids.join('|')}) ${LARGE} ${createHash('sha256').update(Buffer.alloc(LARGE)).digest('hex')}\n$`));
  const names = [...views.names.matchAll(/^[0-9a-f]{12}(?= )/gm)].map(([id]) => id);
  // Each worker goes round by itself.
  assert.deepEqual([names.length, [...new Set(names)].sort()], [20, ids]);
  assert.equal(views.held, `${CONNECTIONS}\n`);
  assert.match(views.end, /^0$/m, 'none was refused, none ended');
  await machine.stop(agent);
}
