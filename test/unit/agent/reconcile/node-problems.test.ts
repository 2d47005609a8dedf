/** What does not work on a node: since when, in how many lines of the log, and how often the store is told. */
import test from 'ava';
import { NodeProblems } from '../../../../agent/reconcile/node-problems.js';
import { portProblems, problemOf, ReconcileFailure } from '../../../../agent/reconcile/failure.js';
import type { DesiredPort } from '../../../../agent/reconcile/project.js';
import { IpBatchError } from '../../../../kernel/netns/links.js';
import { NftError } from '../../../../kernel/nftables/apply.js';
import type { NodeProblem } from '../../../../overlay/model/object.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const PORT = { about: 'port 9000/tcp', message: 'taken', service: 'web' };
const NETWORK = { about: 'network a', message: 'no IPv6' };

function rig() {
  const clock = new FakeClock();
  const lines: string[] = [];
  const written: (readonly NodeProblem[])[] = [];
  const store = { fails: false };
  const note = (message: string, fields?: Readonly<Record<string, unknown>>): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const problems = new NodeProblems({
    clock,
    log: { info: note, error: note, debug: () => undefined },
    write: (all) => (store.fails ? Promise.reject(new Error('out of reach')) : Promise.resolve(void written.push(all))),
  });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await new Promise(setImmediate);
  };
  return { problems, lines, written, store, pass };
}

test('a problem is logged once and stored once, however often it is found; so is its end', async (t) => {
  const { problems, lines, written, pass } = rig();
  for (let pass_ = 0; pass_ < 5; pass_++) {
    problems.set('ports', [PORT]);
    await pass(1000);
  }
  const known = { ...PORT, since: '1970-01-01T00:00:00.000Z' };
  t.deepEqual(problems.all, [known]);
  t.deepEqual(written, [[known]]);
  problems.set('ports', []);
  await pass(1000);
  t.deepEqual(written, [[known], []]);
  t.deepEqual(lines, ['something does not work on this node {"about":"port 9000/tcp","problem":"taken"}', 'it works on this node again {"about":"port 9000/tcp","seconds":5}']);
});

test('what heals at once is not stored; sources do not take each other’s', async (t) => {
  const { problems, written, pass } = rig();
  problems.set('reconcile', [NETWORK, NETWORK]);
  await pass(100);
  problems.set('reconcile', []);
  await pass(1000);
  t.deepEqual(written, []);
  problems.set('reconcile', [NETWORK]);
  problems.set('ports', [PORT]);
  problems.set('reconcile', []);
  await pass(1000);
  t.deepEqual(written.map((all) => all.map(({ about }) => about)), [['port 9000/tcp']]);
});

test('another reason is another line, but no other beginning', async (t) => {
  const { problems, lines, pass } = rig();
  problems.set('reconcile', [NETWORK]);
  await pass(1000);
  problems.set('reconcile', [{ ...NETWORK, message: 'no space' }]);
  t.is(lines.length, 2);
  t.deepEqual(problems.all, [{ about: 'network a', message: 'no space', since: '1970-01-01T00:00:00.000Z' }]);
});

test('a store that is out of reach is told when it is back, and nothing after the end', async (t) => {
  const { problems, written, store, pass } = rig();
  store.fails = true;
  problems.set('ports', [PORT]);
  await pass(1000);
  store.fails = false;
  await pass(5000);
  t.is(written.length, 1);
  problems.set('ports', []);
  problems.close();
  problems.set('ports', [PORT]);
  await pass(10_000);
  t.is(written.length, 1);
});

test('failures as sentences: what it is about, the cause, the remedy', (t) => {
  const told = (error: unknown): unknown => problemOf(error, (id) => `name of ${id}`);
  t.deepEqual(told(new ReconcileFailure('nodes', new NftError('nft: not found', "install the package 'nftables'"))), {
    about: 'other nodes',
    message: "this node is not connected to other nodes, since it cannot filter who may speak to it: nft: not found: install the package 'nftables'",
  });
  t.deepEqual(told(new ReconcileFailure({ networkId: 'n1' }, new Error('no IPv6'))), { about: 'network name of n1', message: 'no IPv6' });
  const taken = problemOf(new ReconcileFailure({ networkId: 'n1' }, new IpBatchError('link add vxlan0 type vxlan id 4097', 'Error: A VXLAN device with the specified VNI already exists.', 'the host')), String);
  t.regex(taken.message, /already exists: another VXLAN device of this host has that VNI and port, find it with `ip -d link show type vxlan`/);
  t.deepEqual(told(new Error('odd')), { about: 'this node', message: 'odd' });
});

test('ports that are not served, by their service', (t) => {
  const desired = (address?: string): DesiredPort => ({ port: { published: 80, target: 8000, protocol: 'tcp', mode: 'ingress', ...(address !== undefined && { address }) }, relay: { service: 'web' } }) as DesiredPort;
  const ports = new Map([['a', desired()], ['b', desired('192.0.2.1')], ['c', desired()]]);
  t.deepEqual(portProblems(ports, new Map([['a', 'taken'], ['b', 'not here'], ['gone', 'taken']])), [
    { about: 'port 80/tcp', message: 'taken', service: 'web' },
    { about: 'port 192.0.2.1:80/tcp', message: 'not here', service: 'web' },
  ]);
});
