import test from 'ava';
import fc from 'fast-check';
import { CLIENT, CLIENT_ACK, CLIENT_PORTS, DELTAS, ENDPOINT, ENDPOINT_ACK, ENDPOINT_PORTS, FLAG_FAILED, FLAG_V6, KEY_MASK, KIND, State, VIP } from '../../../../proxy/flow/slot.js';
import { FlowTable } from '../../../../proxy/flow/table.js';
import { Hash } from '../../../../proxy/flow/hash.js';

const TCP_KIND = (1 << 16) | (6 << 8);

function table(maxFlows: number): FlowTable {
  return new FlowTable(FlowTable.allocate(maxFlows), { hashKey: [1, 2] });
}

interface Model {
  readonly slot: number;
  readonly tuple: readonly number[];
}

/**
 * A flow's tuple from a small number, so that collisions and reuse are common; every third with the same numbers as handles of IPv6
 * addresses.
 */
function tupleOf(n: number): readonly [number, number, number, number, number, number] {
  const flow = n >> 1;
  const protocol = [6, 17, 1][flow % 3]!;
  const kind = ((flow % 2) << 16) | (protocol << 8) | (n % 2 === 0 ? 0 : FLAG_V6);
  return [kind, 1 + (flow % 7), 2, (flow << 16) | 80, 1 + (flow % 5), (80 << 16) | flow];
}

test('against a Map: any sequence of insert, find and remove', (t) => {
  const command = fc.tuple(fc.constantFrom('insert', 'insert', 'remove', 'find', 'state'), fc.integer({ min: 1, max: 60 }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(command, { maxLength: 400 }), (maxFlows, commands) => {
      const flows = table(maxFlows);
      const model = new Map<number, Model>();
      for (const [verb, n] of commands) {
        const tuple = tupleOf(n);
        const [kind, client, vip, clientPorts, endpoint, endpointPorts] = tuple;
        const known = model.get(n);
        t.is(flows.findByClient(kind, client, vip, clientPorts), known?.slot ?? 0);
        t.is(flows.findByEndpoint(kind, endpoint, endpointPorts), known?.slot ?? 0);
        if (verb === 'insert' && !known) {
          const slot = flows.insert(kind, State.udp, client, vip, clientPorts, endpoint, endpointPorts, 1, 2);
          t.is(slot === 0, model.size === maxFlows);
          if (slot !== 0) model.set(n, { slot, tuple });
        } else if (verb === 'remove' && known) {
          flows.remove(known.slot);
          model.delete(n);
        } else if (verb === 'state' && known) {
          // States and flags are no part of what a flow is found by.
          flows.words[(known.slot << 4) + KIND]! ^= FLAG_FAILED | State.udp;
          flows.words[(known.slot << 4) + KIND]! |= State.established;
        }
        t.true(flows.highWater <= maxFlows && flows.highWater >= model.size);
        t.is(flows.size, model.size);
      }
      t.is(new Set([...model.values()].map(({ slot }) => slot)).size, model.size, 'each flow has a slot of its own');
      for (const { slot, tuple } of model.values()) {
        const word = slot << 4;
        const fields = [flows.words[word + KIND]! & KEY_MASK, ...[CLIENT, VIP, CLIENT_PORTS, ENDPOINT, ENDPOINT_PORTS].map((field) => flows.words[word + field])];
        t.deepEqual(fields, [...tuple]);
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('full, emptied and filled again 50 times, nothing is lost and nothing slows down', (t) => {
  const flows = table(1000);
  for (let round = 0; round < 50; round++) {
    const slots: number[] = [];
    for (let n = 1; n <= 1000; n++) slots.push(flows.insert(TCP_KIND, State.synSent, round, n, (n << 16) | 80, 7, (80 << 16) | n, 1, 1));
    t.is(new Set(slots).size, 1000);
    t.false(slots.includes(0));
    t.is(flows.insert(TCP_KIND, State.synSent, 99, 99, 99, 99, 99, 1, 1), 0);
    for (let n = 1; n <= 1000; n++) {
      if (flows.findByClient(TCP_KIND, round, n, (n << 16) | 80) !== slots[n - 1]) t.fail(`client side of ${n}`);
      if (flows.findByEndpoint(TCP_KIND, 7, (80 << 16) | n) !== slots[n - 1]) t.fail(`endpoint side of ${n}`);
    }
    for (let i = 0; i < 1000; i++) flows.remove(slots[(i * 7) % 1000]!);
    t.is(flows.size, 0);
  }
});

test('a tuple of one protocol or network is not found in another, nor in another direction', (t) => {
  const flows = table(8);
  const slot = flows.insert(TCP_KIND, State.synSent, 1, 2, 3, 4, 5, 1, 1);
  t.is(flows.findByClient(TCP_KIND, 1, 2, 3), slot);
  t.is(flows.findByClient((1 << 16) | (17 << 8), 1, 2, 3), 0);
  t.is(flows.findByClient((2 << 16) | (6 << 8), 1, 2, 3), 0);
  t.is(flows.findByClient(TCP_KIND, 2, 1, 3), 0);
  t.is(flows.findByEndpoint(TCP_KIND, 1, 3), 0);
});

test('a handle is not an IPv4 address of the same number', (t) => {
  const flows = table(8);
  const v4 = flows.insert(TCP_KIND, State.synSent, 1, 2, 3, 4, 5, 1, 1);
  t.is(flows.findByClient(TCP_KIND | FLAG_V6, 1, 2, 3), 0);
  t.is(flows.findByEndpoint(TCP_KIND | FLAG_V6, 4, 5), 0);
  const v6 = flows.insert(TCP_KIND | FLAG_V6, State.synSent, 1, 2, 3, 4, 5, 1, 1);
  t.deepEqual([flows.findByClient(TCP_KIND, 1, 2, 3), flows.findByClient(TCP_KIND | FLAG_V6, 1, 2, 3)], [v4, v6]);
  t.deepEqual([flows.findByEndpoint(TCP_KIND, 4, 5), flows.findByEndpoint(TCP_KIND | FLAG_V6, 4, 5)], [v4, v6]);
});

test('a slot that is used again starts at 0, and freed slots are used before new ones', (t) => {
  const flows = table(8);
  const slots = [1, 2, 3].map((n) => flows.insert(TCP_KIND, State.synSent, n, n, n, n, n, 1, 1));
  for (const slot of slots) {
    for (const field of [DELTAS, CLIENT_ACK, ENDPOINT_ACK]) flows.words[(slot << 4) + field] = -1;
    flows.doubles.fill(1, slot * 8 + 6, slot * 8 + 8);
  }
  flows.remove(slots[0]!);
  flows.remove(slots[2]!);
  const again = [4, 5].map((n) => flows.insert(TCP_KIND, State.synSent, n, n, n, n, n, 1, 1));
  t.deepEqual(again, [slots[2], slots[0]]);
  t.is(flows.highWater, 3);
  for (const slot of again) {
    t.deepEqual([DELTAS, CLIENT_ACK, ENDPOINT_ACK].map((field) => flows.words[(slot << 4) + field]), [0, 0, 0]);
    t.deepEqual([...flows.doubles.subarray(slot * 8 + 6, slot * 8 + 8)], [0, 0]);
  }
});

test('sizes that cannot be are refused by name', (t) => {
  for (const size of [0, -1, 1.5, 2 ** 24 + 1]) t.throws(() => FlowTable.allocate(size), { instanceOf: RangeError, message: /flow table of/ });
  t.is(table(1).capacity, 1);
});

test('the hash is spread evenly for tuples that differ in one port, and depends on its key', (t) => {
  const hash = new Hash(123, 456);
  const buckets = new Int32Array(256);
  for (let port = 0; port < 25_600; port++) buckets[hash.of(TCP_KIND, 1, 2, port) & 255]! += 1;
  // Mean 100, standard deviation 10.
  t.true(Math.max(...buckets) < 150 && Math.min(...buckets) > 50, `${Math.min(...buckets)} to ${Math.max(...buckets)}`);
  t.not(new Hash(123, 457).of(1, 2, 3, 4), hash.of(1, 2, 3, 4));
  t.not(new Hash(124, 456).of(1, 2, 3, 4), hash.of(1, 2, 3, 4));
});
