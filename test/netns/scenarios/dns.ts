/**
 * The name server inside real network namespaces: 127.0.0.11 port 53 in two of them at once, asked by dig and by the C
 * library, forwarding to a resolver that only the host's own namespace can reach.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipBatch } from '../../../kernel/netns/links.js';
import { createNamespace } from '../../../kernel/netns/netns.js';
import type { Namespace } from '../../../kernel/netns/netns.js';
import { bindUdp, listenTcp } from '../../../kernel/netns/sockets.js';
import { openTun, type TunDevice } from '../../../kernel/tun/tun.js';
import { run } from '../../../kernel/run/runner.js';
import { DnsServer } from '../../../overlay/dns/server.js';
import type { DnsView } from '../../../overlay/dns/view.js';
import { back, buildQuery, buildResponse, overlay1, u16, viewOf } from '../../support/dns.js';
import { exchange, startUpstream } from '../../support/dns-net.js';
import { pollUntil } from '../../support/poll-until.js';

const DIRECTORY = join(tmpdir(), 'vipmesh-test');
const SERVER = '127.0.0.11';

async function sandbox(server: DnsServer, name: string, view: DnsView): Promise<Namespace> {
  const namespace = createNamespace(join(DIRECTORY, 'netns'), name);
  // With no address but 127.0.0.1 the C library takes the machine for one without IPv4 (AI_ADDRCONFIG).
  await ipBatch(namespace, ['address add 10.0.1.8/32 dev lo']);
  await server.serve(name, bindUdp(namespace, SERVER, 53), listenTcp(namespace, SERVER, 53), view);
  return namespace;
}

/** A test host has its own mounts, so this resolv.conf is seen in it only. */
async function useResolvConf(text: string): Promise<void> {
  const file = join(DIRECTORY, 'resolv.conf');
  fs.writeFileSync(file, text);
  await run('mount', ['--bind', file, '/etc/resolv.conf']);
}

export async function namesInSandboxes(): Promise<void> {
  fs.mkdirSync(DIRECTORY);
  // Loopback of the scenario's own namespace: a new one in a user namespace is down.
  await ipBatch(undefined, ['link set lo up']);
  const upstream = await startUpstream((query) => buildResponse(query, ['192.0.2.9']));
  const server = new DnsServer({ forward: (query, protocol) => exchange(upstream.port, query, protocol) });
  const one = await sandbox(server, 'one', viewOf(overlay1({ dnsrr: 50 })));
  const two = await sandbox(server, 'two', viewOf(back(true)));
  await useResolvConf(`nameserver ${SERVER}\noptions ndots:0\n`);
  const dig = (netns: Namespace, ...args: string[]): Promise<string> => run('dig', ['+time=5', '+tries=1', ...args], { netns });

  assert.equal(await dig(one, '+short', 'vote'), '10.0.1.2\n');
  assert.equal(await dig(one, '+short', '+tcp', 'tasks.client'), '10.0.1.8\n');
  assert.equal(await dig(one, '+short', '-x', '10.0.1.5'), 'vote.1.0000000000a0.overlay1.\n');
  assert.match(await dig(one, '+noedns', 'dv'), /Truncated, retrying in TCP mode[^]*ANSWER: 50,/);
  assert.match(await dig(one, 'vote'), /^vote\.\s+600\s+IN\s+A\s+10\.0\.1\.2$/m);

  // The other sandbox has other names, and is internal.
  assert.equal(await dig(two, '+short', 'db'), '10.0.2.2\n');
  assert.match(await dig(two, 'client'), /status: NXDOMAIN/);
  assert.match(await dig(two, 'www.example.com'), /status: NXDOMAIN/);
  assert.equal(upstream.seen.length, 0);
  assert.equal(await dig(one, '+short', 'www.example.com'), '192.0.2.9\n');
  assert.equal(upstream.seen.length, 1);

  // What programs use. getaddrinfo asks for A and AAAA at once: the empty AAAA must not hide the A.
  assert.match(await run('getent', ['ahosts', 'vote'], { netns: one }), /^10\.0\.1\.2\s+STREAM vote$/m);
  assert.match(await run('getent', ['hosts', 'vote.overlay1'], { netns: one }), /^10\.0\.1\.2\s+vote\.overlay1$/m);
  assert.match(await run('getent', ['hosts', '10.0.1.5'], { netns: one }), /^10\.0\.1\.5\s+vote\.1\.0000000000a0\.overlay1$/m);
  const rotation = await run('getent', ['ahostsv4', 'dv'], { netns: one });
  assert.equal(new Set(rotation.match(/^\S+/gm)).size, 50);
  await assert.rejects(run('getent', ['hosts', 'nobody.overlay1'], { netns: one }));

  server.update('one', viewOf(back()));
  assert.equal(await dig(one, '+short', 'db'), '10.0.2.2\n');

  // A sandbox that is removed frees its address at once; the other is not touched.
  await server.remove('one');
  await server.serve('one', bindUdp(one, SERVER, 53), listenTcp(one, SERVER, 53), viewOf(overlay1()));
  assert.equal(await dig(one, '+short', 'vote'), '10.0.1.2\n');
  assert.equal(await dig(two, '+short', 'db'), '10.0.2.2\n');

  await server.close();
  await assert.rejects(dig(two, '+short', 'db'));
  await upstream.close();
  one.remove();
  two.remove();
}

/** Sum of 16-bit words, complemented (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A query that no socket sends: its source port is 0, and Node throws when told to answer there. */
export async function sourcePortZero(): Promise<void> {
  fs.mkdirSync(DIRECTORY);
  const namespace = createNamespace(join(DIRECTORY, 'netns'), 'raw');
  const [tun] = openTun(namespace, { name: 'tun0', mtu: 1500, queues: 1 }) as [TunDevice];
  await ipBatch(namespace, ['address add 10.9.0.1/24 dev tun0', 'link set tun0 up']);
  const server = new DnsServer({ forward: () => Promise.resolve(undefined) });
  await server.serve('raw', bindUdp(namespace, '10.9.0.1', 53), listenTcp(namespace, '10.9.0.1', 53), viewOf(overlay1()));

  for (const name of ['vote', 'www.example.com']) {
    const query = buildQuery({ name });
    const ip = Buffer.concat([u16(0x4500, 28 + query.length, 0, 0, 0x4011, 0), Buffer.of(10, 9, 0, 2, 10, 9, 0, 1)]);
    ip.writeUInt16BE(checksum(ip), 10);
    const udp = u16(0, 53, 8 + query.length, 0);
    const frame = Buffer.concat([Buffer.alloc(10), ip, udp, query]);
    assert.equal(tun.write(frame, frame.length), frame.length);
  }
  await pollUntil('both queries are read', () => server.counters().queriesUdp === 2 && server.counters().forwardsFailed === 1);
  assert.equal(await run('dig', ['@10.9.0.1', '+short', '+time=5', '+tries=1', 'vote'], { netns: namespace }), '10.0.1.2\n');

  await server.close();
  tun.close();
  namespace.remove();
}
