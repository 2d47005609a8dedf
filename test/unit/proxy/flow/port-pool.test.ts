import test from 'ava';
import { ownerOf } from '../../../../proxy/flow/owner.js';
import { FIRST_PORT, LAST_PORT, PortCursor, PortPool, type PortPoolOptions } from '../../../../proxy/flow/port-pool.js';
import { KIND as SLOT_KIND, LAST_SEEN, State } from '../../../../proxy/flow/slot.js';
import { FlowTable } from '../../../../proxy/flow/table.js';

const KIND = 6 << 8;
const ENDPOINT = 0x0a000105;
const CLIENT = 0x0a000109;
const OTHER = 0x0a00010a;

class Bench {
  readonly table = new FlowTable(FlowTable.allocate(70_000), { hashKey: [5, 6] });
  readonly pool: PortPool;
  readonly cursor = new PortCursor();
  now = 1000;
  #client = 0;

  constructor(options?: PortPoolOptions) {
    this.pool = new PortPool(this.table, options);
  }

  take(client: number, port: number, endpointPort = 80): number {
    return this.pool.take(KIND, ENDPOINT, endpointPort, client, port, this.cursor, this.now);
  }

  /** Occupies a port with a flow; answers its slot. */
  use(port: number, endpointPort = 80): number {
    return this.table.insert(KIND, State.synSent, this.#client++, 1, 1, ENDPOINT, (endpointPort << 16) | port, 1, this.now);
  }

  release(slot: number, client: number, port: number): void {
    this.pool.release(KIND, ENDPOINT, (80 << 16) | port, client, this.now);
    this.table.remove(slot);
  }
}

test("the client's own port is kept when it is free, whatever it is", (t) => {
  const bench = new Bench();
  for (const port of [1, 80, 1024, 40_000, 65_535]) t.is(bench.take(CLIENT, port), port);
});

test('port 0 is never given, not even to who has it', (t) => {
  t.is(new Bench().take(CLIENT, 0), FIRST_PORT);
});

test('taken: the pool goes round its ports in order, so the one free longest is next', (t) => {
  const bench = new Bench();
  bench.use(40_000);
  t.is(bench.take(OTHER, 40_000), FIRST_PORT);
  t.is(bench.take(OTHER, 40_000), FIRST_PORT + 1, 'also when the one before is not in use any more');
  bench.use(FIRST_PORT + 2);
  t.is(bench.take(OTHER, 40_000), FIRST_PORT + 3);
  bench.cursor.next = LAST_PORT;
  t.is(bench.take(OTHER, 40_000), LAST_PORT);
  t.is(bench.take(OTHER, 40_000), FIRST_PORT);
  t.is(bench.take(OTHER, 40_000, 81), 40_000, 'free toward another port of the endpoint');
});

test('a port given up rests for a minute, but for the same client', (t) => {
  const bench = new Bench();
  bench.release(bench.use(40_000), CLIENT, 40_000);
  t.is(bench.take(CLIENT, 40_000), 40_000);
  t.is(bench.take(OTHER, 40_000), FIRST_PORT);
  bench.now += 599;
  t.is(bench.take(OTHER, 40_000), FIRST_PORT + 1);
  bench.now += 1;
  t.is(bench.take(OTHER, 40_000), 40_000);
});

test('the pool passes resting ports over, and takes one when all rest', (t) => {
  const bench = new Bench();
  bench.use(40_000);
  bench.release(bench.use(FIRST_PORT), CLIENT, FIRST_PORT);
  t.is(bench.take(OTHER, 40_000), FIRST_PORT + 1);
  for (let port = 2000; port < 2064; port++) bench.release(bench.use(port), CLIENT, port);
  bench.cursor.next = 2000;
  t.is(bench.take(OTHER, 40_000), 2000);
});

test('exhausted: 0, at once while nothing can have changed, and a port again when there is one', (t) => {
  const bench = new Bench();
  const slots = new Map<number, number>();
  for (let port = FIRST_PORT; port <= LAST_PORT; port++) slots.set(port, bench.use(port));
  t.is(bench.take(OTHER, 40_000), 0);
  t.is(bench.take(OTHER, 80), 80);
  bench.table.remove(slots.get(50_000)!);
  t.is(bench.take(OTHER, 40_000), 0, 'a second passes before the next search');
  bench.now += 10;
  t.is(bench.take(OTHER, 40_000), 50_000);
});

test('who gives its port away: the lowest rank, then the longest silence, among the next 64 ports; nobody who is established', (t) => {
  const bench = new Bench();
  const { words } = bench.table;
  const victim = (): number => bench.pool.victim(KIND, ENDPOINT, 80, bench.cursor, bench.now);
  const occupy = (port: number, state: number, seen: number): number => {
    const slot = bench.use(port);
    words[(slot << 4) + SLOT_KIND] = KIND | state;
    words[(slot << 4) + LAST_SEEN] = seen;
    return slot;
  };
  for (let port = FIRST_PORT; port < FIRST_PORT + 64; port++) occupy(port, State.established, 0);
  const opening = [900, 800, 810].map((seen, i) => occupy(FIRST_PORT + 64 + i, State.synSent, seen));
  const closing = occupy(FIRST_PORT + 64 + 3, State.closingClientLast, 1);
  t.is(victim(), 0);
  t.is(bench.cursor.next, FIRST_PORT + 64, 'the next search goes on from there');
  t.is(victim(), opening[1]!);
  bench.cursor.next = FIRST_PORT + 64;
  const closed = occupy(FIRST_PORT + 64 + 4, State.closed, 999);
  t.is(victim(), closed);
  for (const slot of [...opening, closed]) bench.table.remove(slot);
  bench.cursor.next = FIRST_PORT + 64;
  t.is(victim(), closing);
});

test('what is exhausted for TCP is not for UDP', (t) => {
  const bench = new Bench();
  for (let port = FIRST_PORT; port <= LAST_PORT; port++) bench.use(port);
  t.is(bench.take(OTHER, 40_000), 0);
  bench.table.insert(17 << 8, State.udp, 1, 1, 1, ENDPOINT, (80 << 16) | 40_000, 1, bench.now);
  t.is(bench.pool.take(17 << 8, ENDPOINT, 80, OTHER, 40_000, bench.cursor, bench.now), FIRST_PORT);
});

test('with workers, each gives every port that it owns and no other, in order and round again', (t) => {
  const workers = 3;
  const given = Array.from({ length: workers }, (_, worker) => {
    const bench = new Bench({ workers, worker });
    const ports: number[] = [];
    for (let port = bench.take(OTHER, 0); port !== 0; port = bench.take(OTHER, 0)) {
      ports.push(port);
      bench.use(port);
    }
    t.true(ports.every((port) => ownerOf(port, workers) === worker));
    t.deepEqual(ports, [...ports].sort((a, b) => a - b));
    bench.now += 10;
    const freed = ports[1]!;
    bench.table.remove(bench.table.findByEndpoint(KIND, ENDPOINT, (80 << 16) | freed));
    t.is(bench.take(OTHER, 0), freed);
    return ports;
  });
  const all = given.flat().sort((a, b) => a - b);
  t.deepEqual(all, Array.from({ length: LAST_PORT - FIRST_PORT + 1 }, (_, i) => FIRST_PORT + i));
});

test("a client's port that another worker owns is not kept", (t) => {
  const bench = new Bench({ workers: 2, worker: 1 });
  t.is(bench.take(CLIENT, 40_002), 40_002);
  t.is(bench.take(CLIENT, 40_003), 40_003);
  const port = bench.take(CLIENT, 40_000);
  t.is(port, 1026);
  t.is(ownerOf(port, 2), 1);
});
