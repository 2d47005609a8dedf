/** Runs the packet fixtures: every rule by its name, for each family that it holds for. */
import test, { type ExecutionContext } from 'ava';
import { Counter, type CounterName } from '../../../proxy/dataplane/counters.js';
import { KIND, State, STATE_MASK } from '../../../proxy/flow/slot.js';
import { type Addresses, IPV4, IPV6, Mesh, plain, snapshot } from '../../support/mesh.js';
import { checksumFault, decode, FRAGMENT, VNET } from '../../support/packets.js';
import { type Fixture, type Output, setupOf, type Step } from './fixtures/fixture.js';
import { HEADERS } from './fixtures/headers.js';
import { ICMP } from './fixtures/icmp.js';
import { MALFORMED } from './fixtures/malformed.js';
import { TCP } from './fixtures/tcp.js';

/** What every packet moves, or what is of the bytes and not of the verdict. */
const NOT_COMPARED: readonly CounterName[] = ['receivedPackets', 'receivedBytes', 'forwardedBytes'];

function countsOf(mesh: Mesh): Record<string, number> {
  return Object.fromEntries(Object.keys(Counter).map((name) => [name, mesh.count(name as CounterName)]));
}

/** The counters that moved, and by how much. */
function moved(before: Record<string, number>, after: Record<string, number>): Record<string, number> {
  const names = Object.keys(after).filter((name) => after[name] !== before[name] && !NOT_COMPARED.includes(name as CounterName));
  return Object.fromEntries(names.map((name) => [name, after[name]! - before[name]!]));
}

function stateOf(mesh: Mesh): string {
  const live = Array.from({ length: 64 }, (_, i) => mesh.table.words[((i + 1) << 4) + KIND]!).filter((kind) => kind !== 0);
  if (live.length > 1) return `${live.length} flows`;
  return live.length === 0 ? 'none' : Object.keys(State).find((name) => State[name as keyof typeof State] === (live[0]! & STATE_MASK))!;
}

function compare(t: ExecutionContext, frame: Buffer | undefined, expected: Output, what: string): void {
  if (frame === undefined) return t.fail(`${what}: nothing came out`);
  const { fault, icmp, quotes, fragment, payload, mss, headers, ...fields } = expected;
  const packet = frame.subarray(VNET);
  const decoded = decode(frame);
  const isV4 = decoded.family === 4;
  const start = isV4 ? 20 : 40;
  if (Object.keys(fields).length > 0) t.like(decoded, fields, what);
  const isPart = !isV4 && packet[6] === FRAGMENT;
  if (!isPart) t.is(checksumFault(frame), fault, what);
  const { l4 } = decoded;
  if (icmp !== undefined) t.is(l4.toString('hex', 0, 2) + l4.toString('hex', 4, 8), icmp, what);
  if (quotes) {
    t.true(l4.length >= 8 + start + 8, what);
    t.is(l4.toString('hex', 8), Buffer.from(quotes).toString('hex', VNET, VNET + l4.length - 8), what);
  }
  if (fragment !== undefined && isV4) t.is(packet.readUInt16BE(6), fragment, what);
  if (payload) t.is(l4.toString('hex', decoded.protocol === 6 ? 20 : 8), Buffer.from(payload).toString('hex'), what);
  if (mss !== undefined) t.is(l4.readUInt16BE(22), mss, what);
  if (headers) t.is(packet.toString('hex', start, start + headers.length), Buffer.from(headers).toString('hex'), what);
}

function run(t: ExecutionContext, mesh: Mesh, { send, wait, out, emitted, counts, state }: Step, what: string): void {
  const before = countsOf(mesh);
  const sent = send && mesh.send(send);
  mesh.wait((wait ?? 0) * 1000);
  const unasked = mesh.takeEmitted();
  if (out) compare(t, sent, out, what);
  else t.is(sent, undefined, what);
  t.is(unasked.length, emitted?.length ?? 0, what);
  emitted?.forEach((expected, i) => compare(t, unasked[i], expected, `${what}, sent besides: ${i + 1}`));
  t.deepEqual(moved(before, countsOf(mesh)), Object.fromEntries((counts ?? []).map((count) => (typeof count === 'string' ? [count, 1] : count))), what);
  if (state !== undefined) t.is(stateOf(mesh), state, what);
  t.is(mesh.unaccounted(), 0, what);
}

function runFixture(t: ExecutionContext, { setup, choices, steps }: Fixture, net: Addresses, family: 4 | 6): void {
  const mesh = new Mesh({ maxFlows: 64, config: snapshot(1, plain(choices)) });
  for (const packet of setupOf(setup, net)) mesh.pass(packet);
  steps(net, family).forEach((step, i) => run(t, mesh, step, `step ${i + 1}`));
}

for (const fixture of [...TCP, ...ICMP, ...HEADERS, ...MALFORMED]) {
  for (const family of fixture.families ?? ([4, 6] as const)) {
    test(`IPv${family}: ${fixture.rule} (${fixture.rfc})`, (t) => runFixture(t, fixture, family === 4 ? IPV4 : IPV6, family));
  }
}
