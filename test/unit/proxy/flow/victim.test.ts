import test from 'ava';
import fc from 'fast-check';
import { DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import { Expiry, timeoutsByState } from '../../../../proxy/flow/expiry.js';
import { CLIENT, FLAG_V6, KEY_MASK, KIND, LAST_SEEN, State, STATE_MASK, STATES } from '../../../../proxy/flow/slot.js';
import { FlowTable } from '../../../../proxy/flow/table.js';

/** Two services by the parity of the client: one with the default timeouts, one with its own. */
const BY_SERVICE = [
  timeoutsByState(DEFAULT_TIMEOUTS),
  timeoutsByState({ established: 900, transitory: 30, closed: 1, udp: 8000, icmp: 2 }),
];

/** The order in which flows give way. */
const ORDER: readonly (readonly number[])[] = [
  [State.closed],
  [State.synSent, State.synReceived],
  [State.closingClientLast, State.closingEndpointLast],
  [State.udp, State.icmp],
  [State.established, State.halfClosedByClient, State.halfClosedByEndpoint],
];

const rankOf = (state: number): number => ORDER.findIndex((states) => states.includes(state));

class Bench {
  readonly table = new FlowTable(FlowTable.allocate(300), { hashKey: [3, 4] });
  readonly services = [...BY_SERVICE];
  readonly expiry = new Expiry(this.table, { of: (slot) => this.services[this.table.words[(slot << 4) + CLIENT]! & 1]! });
  now = 100_000;
  #ports = 0;

  constructor() {
    this.expire();
  }

  /** `client` of 0 has the first service's timeouts, of 1 the second's. */
  begin(state: number, client = 0): number {
    const port = ++this.#ports;
    const slot = this.table.insert((6 << 8) | (port % 2 === 0 ? FLAG_V6 : 0), state, client, 1, port, 2, port, 1, this.now);
    if (slot !== 0) this.expiry.track(slot);
    return slot;
  }

  packet(slot: number, state = this.state(slot)): void {
    const word = slot << 4;
    const before = this.state(slot);
    this.table.words[word + LAST_SEEN] = this.now;
    this.table.words[word + KIND] = (this.table.words[word + KIND]! & ~STATE_MASK) | state;
    if (state !== before) this.expiry.changed(slot, before, state);
  }

  state(slot: number): number {
    return this.table.words[(slot << 4) + KIND]! & STATE_MASK;
  }

  end(slot: number): void {
    this.expiry.forget(slot);
    this.table.remove(slot);
  }

  /** Ends what is due; answers it. */
  expire(): number[] {
    const ended: number[] = [];
    for (let slot = this.expiry.due(this.now); slot !== 0; slot = this.expiry.due(this.now)) {
      if (slot < 0) continue;
      ended.push(slot);
      this.end(slot);
    }
    return ended;
  }

  /** The second in which a flow falls due. */
  deadline(slot: number): number {
    const words = this.table.words;
    return Math.ceil((words[(slot << 4) + LAST_SEEN]! + this.services[words[(slot << 4) + CLIENT]! & 1]![this.state(slot)]!) / 10);
  }

  live(): number[] {
    return Array.from({ length: this.table.highWater }, (_, i) => i + 1).filter((slot) => (this.table.words[(slot << 4) + KIND]! & KEY_MASK) !== 0);
  }

  evict(): number {
    const slot = this.expiry.victim();
    if (slot !== 0) this.end(slot);
    return slot;
  }
}

test('a table full of everything is emptied in order: closed, opening, closing, datagrams, and established last', (t) => {
  const bench = new Bench();
  const states = Object.values(State).filter((state) => state !== State.free);
  t.is(states.length, STATES - 1);
  // Begun in the wrong order, two of each, the second of them later.
  const slots = [...states, ...states].map((state) => {
    bench.now += 20;
    return bench.begin(state);
  });
  const names = new Map(slots.map((slot, i) => [slot, states[i % states.length]!]));
  const gone = slots.map(() => names.get(bench.evict())!);
  t.deepEqual(gone.map(rankOf), [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4]);
  t.is(bench.evict(), 0);
});

test('among equals it is the one idle for longest, however it came to be', (t) => {
  const bench = new Bench();
  const slots = [1, 2, 3, 4].map(() => {
    bench.now += 50;
    return bench.begin(State.synSent);
  });
  for (const slot of slots) {
    bench.now += 50;
    bench.packet(slot, State.established);
  }
  bench.now += 50;
  bench.packet(slots[0]!);
  bench.now += 50;
  bench.packet(slots[2]!, State.halfClosedByClient);
  t.deepEqual(slots.map(() => bench.evict()), [slots[1], slots[3], slots[0], slots[2]]);
});

test('one established flow among many younger ones does not give way to them', (t) => {
  const bench = new Bench();
  const established = bench.begin(State.established);
  bench.now += 74_000;
  bench.expire();
  const opening = [bench.begin(State.synSent), bench.begin(State.udp)];
  t.is(bench.deadline(established) - (bench.now / 10), 40, 'it falls due first');
  t.deepEqual([bench.evict(), bench.evict(), bench.evict()], [...opening, established]);
});

test('any history: what falls due ends to the second, and who gives way is the lowest rank’s next to fall due', (t) => {
  const step = fc.record({
    verb: fc.constantFrom('begin', 'begin', 'begin', 'packet', 'packet', 'change', 'wait', 'victim'),
    pick: fc.nat(),
    state: fc.integer({ min: 1, max: STATES - 1 }),
    client: fc.integer({ min: 0, max: 1 }),
    by: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 80_000 })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const bench = new Bench();
      for (const { verb, pick, state, client, by } of steps) {
        const live = bench.live();
        const slot = live[pick % live.length];
        if (verb === 'begin') {
          bench.begin(state, client);
        } else if (verb === 'wait') {
          bench.now += by;
          const expected = live.filter((n) => bench.deadline(n) <= Math.floor(bench.now / 10));
          t.deepEqual(bench.expire().sort(), expected.sort());
        } else if (verb === 'victim') {
          const order = live.map((n) => [rankOf(bench.state(n)), bench.deadline(n)] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
          const victim = bench.expiry.victim();
          t.is(victim === 0, live.length === 0);
          if (victim === 0) continue;
          t.deepEqual([rankOf(bench.state(victim)), bench.deadline(victim)], [...order[0]!]);
          bench.end(victim);
        } else if (slot !== undefined) {
          bench.packet(slot, verb === 'change' ? state : bench.state(slot));
        }
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('when every flow is busy, one search looks at 256 of them and takes the best of those', (t) => {
  const bench = new Bench();
  const slots = Array.from({ length: 300 }, () => bench.begin(State.established));
  bench.now += 600;
  slots.forEach((slot) => bench.packet(slot));
  const late = bench.begin(State.established);
  t.is(late, 0, 'full');
  const victim = bench.evict();
  t.true(slots.includes(victim));
  // 255 were moved to their real deadline, so 44 are left at the old one, and the next search is done with them.
  const second = bench.evict();
  t.true(slots.includes(second) && second !== victim);
  t.is(bench.table.size, 298);
});

test('timeouts of a service that change: longer ones hold by themselves, shorter ones once the flow is armed anew', (t) => {
  const bench = new Bench();
  const [a, b] = [bench.begin(State.udp, 0), bench.begin(State.udp, 0)];
  bench.services[0] = timeoutsByState({ ...DEFAULT_TIMEOUTS, udp: 500 });
  bench.now += 3000;
  t.deepEqual(bench.expire(), [], 'longer');
  bench.services[0] = timeoutsByState({ ...DEFAULT_TIMEOUTS, udp: 310 });
  bench.expiry.track(a);
  bench.now += 100;
  t.deepEqual(bench.expire(), [a], 'shorter, and armed anew');
  bench.now += 1900;
  t.deepEqual(bench.expire(), [b], 'shorter, and found at the deadline that it was armed for');
});

test('timeouts by state', (t) => {
  const of = timeoutsByState({ established: 5, transitory: 4, closed: 3, udp: 2, icmp: 1 });
  t.deepEqual(Object.entries(State).map(([name, state]) => [name, of[state]]), [
    ['free', 0],
    ['synSent', 40],
    ['synReceived', 40],
    ['established', 50],
    ['halfClosedByClient', 50],
    ['halfClosedByEndpoint', 50],
    ['closingClientLast', 40],
    ['closingEndpointLast', 40],
    ['closed', 30],
    ['udp', 20],
    ['icmp', 10],
  ]);
});
