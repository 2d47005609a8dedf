/**
 * The flow table at 1 k, 100 k and 1 M flows: look-ups in random order, inserting, expiring; and the look-up beside what one
 * would write without it, a Map with string keys.
 */
import { adviseHugePages } from '../../kernel/ffi/libc.js';
import { Expiry, timeoutsByState } from '../../proxy/flow/expiry.js';
import { State } from '../../proxy/flow/slot.js';
import { FlowTable } from '../../proxy/flow/table.js';
import { DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import { measure, shuffled, type Case, type Effort } from './harness.js';
import { nanoseconds, ratio, type Result } from './result.js';

const SIZES = [1000, 100_000, 1_000_000] as const;
/** What the Map must cost at least, with the making of the key, in look-ups of ours. */
const MAP_RATIO = 5;

const TCP = (1 << 16) | (6 << 8);
const VIP = 0x0a000102;
const ENDPOINT = 0x0a000105;
/** Clients have 500 flows each. */
const clientOf = (flow: number): number => 0x0a000200 + ((flow / 500) | 0);
const clientPortsOf = (flow: number): number => ((32_768 + (flow % 500)) << 16) | 80;
/** 32,000 flows to each endpoint. */
const endpointOf = (flow: number): number => ENDPOINT + ((flow / 32_000) | 0);
const endpointPortsOf = (flow: number): number => (80 << 16) | (32_768 + (flow % 32_000));

function tableFor(flows: number): FlowTable {
  return new FlowTable(FlowTable.allocate(flows), { hashKey: [0x12345678, 0x5bd1e995], advise: adviseHugePages });
}

function insertAll(table: FlowTable, flows: number): number {
  let sum = 0;
  for (let flow = 0; flow < flows; flow++) {
    sum += table.insert(TCP, State.established, clientOf(flow), VIP, clientPortsOf(flow), endpointOf(flow), endpointPortsOf(flow), 1, flow & 0x3ff);
  }
  return sum;
}

function removeAll(table: FlowTable): void {
  for (let slot = table.size; slot > 0; slot--) table.remove(slot);
}

function lookUps(table: FlowTable, flows: number, size: string): Case[] {
  const order = shuffled(flows);
  // What a packet brings with it: in the cache, whichever flow it is of.
  const clients = order.map(clientOf);
  const clientPorts = order.map(clientPortsOf);
  const endpoints = order.map(endpointOf);
  const endpointPorts = order.map(endpointPortsOf);
  const byClient = (operations: number): number => {
    let found = 0;
    for (let i = 0, at = 0; i < operations; i++, at = at + 1 === flows ? 0 : at + 1) found += table.findByClient(TCP, clients[at]!, VIP, clientPorts[at]!);
    return found;
  };
  const byEndpoint = (operations: number): number => {
    let found = 0;
    for (let i = 0, at = 0; i < operations; i++, at = at + 1 === flows ? 0 : at + 1) found += table.findByEndpoint(TCP, endpoints[at]!, endpointPorts[at]!);
    return found;
  };
  const absent = (operations: number): number => {
    let found = 0;
    for (let i = 0, at = 0; i < operations; i++, at = at + 1 === flows ? 0 : at + 1) found += table.findByClient(TCP, clients[at]!, VIP + 1, clientPorts[at]!);
    return found;
  };
  return [
    { name: `look up by client, ${size}`, run: byClient },
    { name: `look up by endpoint, ${size}`, run: byEndpoint },
    { name: `look up what is not there, ${size}`, run: absent },
  ];
}

const keyOf = (client: number, ports: number): string => `${TCP} ${client}:${ports >>> 16} ${VIP}:${ports & 0xffff}`;

/** The first makes its key from the packet, as it would have to; the second has its keys ready, which no packet brings. */
function mapLookUps(flows: number, size: string): Case[] {
  const map = new Map<string, number>();
  for (let flow = 0; flow < flows; flow++) map.set(keyOf(clientOf(flow), clientPortsOf(flow)), flow + 1);
  const order = shuffled(flows);
  const clients = order.map(clientOf);
  const ports = order.map(clientPortsOf);
  const keys = [...map.keys()];
  const ready = Array.from(order, (flow) => keys[flow]!);
  const made = (operations: number): number => {
    let found = 0;
    for (let i = 0, at = 0; i < operations; i++, at = at + 1 === flows ? 0 : at + 1) found += map.get(keyOf(clients[at]!, ports[at]!)) ?? 0;
    return found;
  };
  const kept = (operations: number): number => {
    let found = 0;
    for (let i = 0, at = 0; i < operations; i++, at = at + 1 === flows ? 0 : at + 1) found += map.get(ready[at]!) ?? 0;
    return found;
  };
  return [
    { name: `Map with string keys, ${size}`, run: made },
    { name: `Map with string keys made before, ${size}`, run: kept },
  ];
}

/** Both are of one size, in full, each round: into a table whose memory has been used before. */
function comingAndGoing(flows: number, size: string): Case[] {
  const filled = tableFor(flows);
  insertAll(filled, flows);
  const table = tableFor(flows);
  insertAll(table, flows);
  const states = timeoutsByState({ ...DEFAULT_TIMEOUTS, established: 10 });
  const expiry = new Expiry(table, { of: () => states });
  const track = (): void => {
    if (table.size === 0) insertAll(table, flows);
    for (let slot = 1; slot <= flows; slot++) expiry.track(slot);
  };
  const expire = (): number => {
    let ended = 0;
    for (let now = 0; ended < flows; now++) {
      for (let slot = expiry.due(now); slot !== 0; slot = expiry.due(now)) {
        if (slot < 0) continue;
        expiry.forget(slot);
        table.remove(slot);
        ended++;
      }
    }
    return ended;
  };
  return [
    { name: `insert, ${size}`, operations: flows, prepare: () => removeAll(filled), run: () => insertAll(filled, flows) },
    { name: `expire and remove, ${size}`, operations: flows, prepare: track, run: expire },
  ];
}

export function flow(effort: Effort): Result[] {
  const results: Result[] = [];
  for (const flows of SIZES) {
    const size = `${flows.toLocaleString('en')} flows`;
    const table = tableFor(flows);
    insertAll(table, flows);
    const reading = [...lookUps(table, flows, size), ...mapLookUps(flows, size)];
    const rounds = measure(reading, effort);
    const [byClient, , , map, readyMap] = rounds as [number[], number[], number[], number[], number[]];
    results.push(
      ...nanoseconds('flow table', reading, rounds),
      ratio('flow table', `Map over look-up, ${size}`, map, byClient, flows === SIZES[2] ? { atLeast: MAP_RATIO } : {}),
      ratio('flow table', `Map with keys made before over look-up, ${size}`, readyMap, byClient),
    );
    // A million inserts take long enough to be few.
    const writing = comingAndGoing(flows, size);
    results.push(...nanoseconds('flow table', writing, measure(writing, effort)));
  }
  return results;
}
