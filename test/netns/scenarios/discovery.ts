/**
 * Names as tasks see them, asked with dig and the C library in real tasks of a real agent, and what becomes of names that
 * are not ours at the host's resolvers.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { run } from '../../../kernel/run/runner.js';
import type { NetworkObject, ServiceObject, TaskObject } from '../../../overlay/model/object.js';
import { buildResponse, nameBytes } from '../../support/dns.js';
import { startUpstream, type Upstream } from '../../support/dns-net.js';
import type { MachineUser } from '../../support/machine-users.js';
import { pollUntil } from '../../support/poll-until.js';
import { Machine } from './support/machine.js';

const SLEEP = ['--', 'sleep', 'infinity'];
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const sorted = (list: readonly string[]): string[] => [...list].sort();

/** The host's resolv.conf, for this test host only. */
async function useResolvers(...servers: string[]): Promise<void> {
  writeFileSync('/run/resolv.conf', servers.map((server) => `nameserver ${server}\n`).join(''));
  await run('mount', ['--bind', '/run/resolv.conf', '/etc/resolv.conf']);
}

/** The names of the questions that an upstream has seen, in order. */
function asked(upstream: Upstream): string[] {
  return upstream.seen.map(({ query }) => {
    const labels: string[] = [];
    for (let at = 12; query[at] !== 0 && at < query.length; at += 1 + (query[at] ?? 0)) labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] ?? 0)));
    return labels.join('.');
  });
}

/** Every kind of name, every kind of question. */
export async function names(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  // Three resolvers: one that is not there, one that cannot answer, one that does.
  await useResolvers('127.0.0.2', '127.0.0.3', '127.0.0.4');
  const failing = await startUpstream((query) => buildResponse(query, [], 2), '127.0.0.3', 53);
  const answering = await startUpstream((query) => (query.includes(nameBytes('no.example')) ? buildResponse(query, [], 3) : buildResponse(query, ['192.0.2.9'])), '127.0.0.4', 53);
  const agent = await machine.up();
  await machine.vipmesh('network', 'create', 'overlay1');
  await machine.vipmesh('network', 'create', '--internal', 'back');
  await machine.vipmesh('service', 'create', '--name', 'vote', '--replicas', '2', '--alias', 'Ballot', '--network', 'overlay1', ...SLEEP);
  await machine.vipmesh('service', 'create', '--name', 'dv', '--endpoint-mode', 'dnsrr', '--replicas', '3', '--network', 'overlay1', ...SLEEP);
  await machine.vipmesh('service', 'create', '--name', 'db', '--network', 'back', ...SLEEP);
  const network = await machine.object<NetworkObject>('network', 'inspect', 'overlay1');
  const addressesOf = (tasks: readonly TaskObject[]): string[] =>
    tasks.map((task) => task.addresses.find(({ networkId }) => networkId === network.id)?.address ?? assert.fail(`${task.name} has no address`));
  const [vote, dv] = await Promise.all([machine.objects<TaskObject>('service', 'ps', 'vote'), machine.objects<TaskObject>('service', 'ps', 'dv')]);
  const vip = (await machine.object<ServiceObject>('service', 'inspect', 'vote')).vips[0]?.address ?? assert.fail('vote has no VIP');
  const [first = assert.fail('dv has no task')] = dv;
  const [firstAddress = ''] = addressesOf([first]);

  const views = await machine.eachInTask('overlay1', {
    full: 'dig dv',
    repeated: 'for i in 1 2 3 4 5 6 7 8 9 10; do dig +short dv | tr "\\n" " "; echo; done',
    reverse: `dig -x ${firstAddress}`,
    reverseVip: `dig +short -x ${vip}`,
    vip: 'dig +short vote',
    upper: 'dig +short VoTe.OVERLAY1',
    withNetwork: 'dig +short vote.overlay1.',
    tasks: 'dig +short tasks.vote',
    tasksWithNetwork: 'dig +short tasks.dv.overlay1',
    taskName: `dig +short ${first.name}`,
    shortId: `dig +short ${first.id}`,
    shortIdWithNetwork: `dig +short ${first.id}.overlay1`,
    alias: 'dig +short ballot',
    aliasTasks: 'dig +short tasks.ballot.overlay1',
    aaaa: 'dig AAAA vote',
    aaaaDnsrr: 'dig AAAA dv',
    tcp: 'dig +tcp +short dv',
    absent: 'dig nobody.overlay1',
    otherNetwork: 'dig +tries=1 +short db',
    hosts: 'getent hosts vote',
    ahosts: 'getent ahosts vote.overlay1',
    outside: 'dig +short www.example.com',
    outsideTcp: 'dig +tcp +short tcp.example.com',
    outsideNone: 'dig no.example',
    resolvConf: 'cat /etc/resolv.conf',
    self: 'getent hosts $(hostname); hostname',
  });

  const three = addressesOf(dv);
  assert.match(views.full, /status: NOERROR[^]*flags: qr aa rd ra;/);
  assert.deepEqual([...views.full.matchAll(/^dv\.\s+600\s+IN\s+A\s+(\S+)$/gm)].map(([, address]) => address ?? '').sort(), sorted(three));
  const repeated = lines(views.repeated).map((line) => line.trim());
  assert.equal(repeated.length, 10);
  for (const line of repeated) assert.deepEqual(sorted(line.split(' ')), sorted(three));
  // One order ten times in a row has a chance of 6^-9.
  assert.ok(new Set(repeated).size > 1, `the order changes: ${repeated.join(' | ')}`);
  assert.match(views.reverse, /ANSWER: 1,/);
  assert.match(views.reverse, new RegExp(`\\s600\\s+IN\\s+PTR\\s+dv\\.${first.slot}\\.${first.id}\\.overlay1\\.$`, 'm'));
  assert.equal(views.reverseVip, 'vote.overlay1.\n');
  for (const view of ['vip', 'upper', 'withNetwork', 'alias'] as const) assert.equal(views[view], `${vip}\n`, view);
  for (const view of ['tasks', 'aliasTasks'] as const) assert.deepEqual(sorted(lines(views[view])), sorted(addressesOf(vote)), view);
  for (const view of ['tasksWithNetwork', 'tcp'] as const) assert.deepEqual(sorted(lines(views[view])), sorted(three), view);
  for (const view of ['taskName', 'shortId', 'shortIdWithNetwork'] as const) assert.equal(views[view], `${firstAddress}\n`, view);
  for (const view of ['aaaa', 'aaaaDnsrr'] as const) assert.match(views[view], /status: NOERROR[^]* ANSWER: 0,/, view);
  assert.match(views.absent, /status: NXDOMAIN/);
  assert.match(views.hosts, new RegExp(`^${vip}\\s+vote$`, 'm'));
  assert.match(views.ahosts, new RegExp(`^${vip}\\s+STREAM`, 'm'));
  assert.equal(views.resolvConf.includes('nameserver 127.0.0.11'), true);
  const [self = '', id = ''] = lines(views.self);
  assert.ok(self.startsWith('10.0.1.') && self.endsWith(id), `a task finds itself: ${views.self}`);

  // Past a resolver that is not there and one that cannot; with the client's protocol; an answer of "no such name" is final.
  assert.equal(views.outside, '192.0.2.9\n');
  assert.equal(views.outsideTcp, '192.0.2.9\n');
  assert.match(views.outsideNone, /status: NXDOMAIN/);
  // A name of a network that the task is not on is a stranger's.
  assert.deepEqual(asked(answering), ['db', 'www.example.com', 'tcp.example.com', 'no.example']);
  assert.deepEqual(asked(failing), asked(answering));
  assert.deepEqual(answering.seen.map(({ protocol }) => protocol), ['udp', 'udp', 'tcp', 'udp']);

  const internal = await machine.eachInTask('back', { db: 'dig +short db', outside: 'dig www.example.org', reverse: 'dig -x 192.0.2.9' });
  assert.match(internal.db, /^10\.0\.2\.\d+\n$/);
  for (const view of ['outside', 'reverse'] as const) assert.match(internal[view], /status: NXDOMAIN/, view);
  assert.equal(answering.seen.length, 4, 'nothing of an internal network goes outside');

  await machine.stop(agent);
  await Promise.all([failing.close(), answering.close()]);
}

/** Who is found changes with what lives: scaling, health, removal. Watched from one task that stays. */
export async function changes(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  await useResolvers('127.0.0.4');
  const upstream = await startUpstream((query) => buildResponse(query, [], 3), '127.0.0.4', 53);
  const agent = await machine.up();
  await machine.vipmesh('network', 'create', 'overlay1');
  await machine.vipmesh('service', 'create', '--name', 'client', '--network', 'overlay1', ...SLEEP);
  const [client = assert.fail('no client')] = await machine.objects<TaskObject>('service', 'ps', 'client');
  const dig = async (...args: string[]): Promise<string[]> => lines(await machine.vipmesh('exec', client.id, '--', 'dig', '+short', ...args));
  const becomes = (what: string, count: number, ...args: string[]): Promise<string[]> =>
    pollUntil(what, async () => {
      const found = await dig(...args);
      return found.length === count ? found : undefined;
    }, { timeout: 90_000 });

  // Healthy once a file of its own is there, and for as long.
  const check = 'test -e /run/tmp/healthy-$HOSTNAME';
  await machine.vipmesh('service', 'create', '--name', 'dv', '--endpoint-mode', 'dnsrr', '--replicas', '2', '--network', 'overlay1', '--detach',
    '--restart-condition', 'none', '--health-cmd', check, '--health-interval', '200ms', '--health-retries', '1', '--health-start-period', '60s', ...SLEEP);
  const tasks = await pollUntil('both run', async () => {
    const both = await machine.objects<TaskObject>('service', 'ps', 'dv');
    return both.filter(({ status }) => status.pid !== undefined).length === 2 ? both : undefined;
  }, { timeout: 90_000 });
  assert.deepEqual(await dig('dv'), [], 'not before they are healthy');
  const [one = assert.fail(), two = assert.fail()] = tasks;
  writeFileSync(`/run/tmp/healthy-${one.id}`, '');
  assert.deepEqual(await becomes('one is found', 1, 'dv'), [one.addresses[0]?.address]);
  writeFileSync(`/run/tmp/healthy-${two.id}`, '');
  assert.deepEqual(sorted(await becomes('both are found', 2, 'dv')), sorted([one, two].map(({ addresses }) => addresses[0]?.address ?? '')));

  await machine.vipmesh('service', 'scale', 'dv=0');
  await machine.closes('dv');
  assert.deepEqual(await dig('dv'), [], 'nobody is left');
  assert.deepEqual(upstream.seen, [], 'the name is still ours');
  assert.deepEqual(await dig(one.id), []);
  await machine.vipmesh('service', 'rm', 'dv');
  await becomes('the name is a stranger’s', 0, 'dv');
  await pollUntil('the host is asked', async () => {
    await dig('dv');
    return asked(upstream).includes('dv');
  }, { timeout: 90_000 });

  await machine.stop(agent);
  await upstream.close();
}
