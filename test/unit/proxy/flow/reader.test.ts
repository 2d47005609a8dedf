import { Worker } from 'node:worker_threads';
import test from 'ava';
import { QUIET_MS, type FlowRecord } from '../../../../proxy/dataplane/handle.js';
import { AddressBook } from '../../../../proxy/flow/address-book.js';
import { FlowReader } from '../../../../proxy/flow/reader.js';
import { FLAG_V6, State } from '../../../../proxy/flow/slot.js';
import { FlowTable } from '../../../../proxy/flow/table.js';
import { formatIpv4, parseIpv4 } from '../../../../proxy/net/addr.js';
import { formatIpv6, type Ipv6, parseIpv6 } from '../../../../proxy/net/addr6.js';
import { CLIENT, endpoint, ENDPOINTS, Mesh, NETWORK, PLAIN, service, VIP, BALANCER } from '../../../support/mesh.js';
import { tcpFrame, udpFrame } from '../../../support/packets.js';

test('flows as a user sees them', (t) => {
  const mesh = new Mesh();
  const syn = tcpFrame({ from: CLIENT, to: VIP, flags: 'S' });
  mesh.pass(syn);
  mesh.wait(1500);
  const answer = tcpFrame({ from: ENDPOINTS[0], to: BALANCER, sourcePort: 80, destinationPort: 40000, flags: 'SA', payload: Buffer.alloc(10) });
  mesh.pass(answer);
  mesh.pass(udpFrame({ from: CLIENT, to: VIP }));
  mesh.wait(300);
  t.is(mesh.reader.size, 2);
  const common = { network: 'overlay1', service: 'vote', path: 'tun' } as const;
  t.deepEqual(mesh.reader.list(PLAIN), [
    { ...common, protocol: 'tcp', client: `${CLIENT}:40000`, vip: `${VIP}:80`, endpoint: `${ENDPOINTS[0]}:80`, state: 'opening', bytesIn: 40, bytesOut: 50, age: 1800, idle: 300 },
    { ...common, protocol: 'udp', client: `${CLIENT}:40000`, vip: `${VIP}:53`, endpoint: `${ENDPOINTS[1]}:53`, state: 'udp', bytesIn: 28, bytesOut: 0, age: 300, idle: 300 },
  ]);
  t.deepEqual(mesh.reader.list({ networks: [] }), []);
  t.is(mesh.reader.list({ networks: [{ ...PLAIN.networks[0]!, services: [] }] })[0]?.service, '');
});

test('a drain counts the flows to an endpoint that are not closed', (t) => {
  const mesh = new Mesh();
  mesh.apply([service(VIP, [endpoint(ENDPOINTS[0])])]);
  for (const port of [1, 2, 3]) mesh.pass(tcpFrame({ from: CLIENT, to: VIP, sourcePort: port, flags: 'S' }));
  const address = parseIpv4(ENDPOINTS[0]);
  t.is(mesh.reader.countTo(NETWORK, address), 3);
  mesh.pass(tcpFrame({ from: CLIENT, to: VIP, sourcePort: 2, flags: 'RA' }));
  t.is(mesh.reader.countTo(NETWORK, address), 2);
  t.is(mesh.reader.countTo(NETWORK + 1, address), 0);
  t.is(mesh.reader.countTo(NETWORK, parseIpv4(ENDPOINTS[1])), 0);
});

test('silent flows to a VIP, by both of their sides', (t) => {
  const mesh = new Mesh();
  mesh.pass(tcpFrame({ from: CLIENT, to: VIP, flags: 'S' }));
  mesh.pass(udpFrame({ from: CLIENT, to: VIP, sourcePort: 5000, destinationPort: 53 }));
  mesh.wait(1000);
  mesh.pass(udpFrame({ from: CLIENT, to: VIP, sourcePort: 5001, destinationPort: 53 }));
  const side = { client: parseIpv4(CLIENT), endpoint: parseIpv4(ENDPOINTS[0]) };
  const tcp = { ...side, protocol: 'tcp', clientPort: 40000, vipPort: 80, endpointPort: 80, balancerPort: 40000 } as const;
  const udp = { ...side, protocol: 'udp', endpoint: parseIpv4(ENDPOINTS[1]), clientPort: 5000, vipPort: 53, endpointPort: 53, balancerPort: 5000 } as const;
  t.deepEqual(mesh.reader.silentTo(NETWORK, parseIpv4(VIP), 1000), [tcp, udp]);
  t.deepEqual(mesh.reader.silentTo(NETWORK, parseIpv4(VIP), 1100), []);
  t.is(mesh.reader.silentTo(NETWORK, parseIpv4(VIP), 0).length, 3);
  t.deepEqual(mesh.reader.silentTo(NETWORK + 1, parseIpv4(VIP), 0), []);
  t.deepEqual(mesh.reader.silentTo(NETWORK, parseIpv4(BALANCER), 0), []);
  mesh.pass(tcpFrame({ from: CLIENT, to: VIP, flags: 'RA' }));
  t.is(mesh.reader.silentTo(NETWORK, parseIpv4(VIP), 0).length, 2, 'not what is closed');
});

interface Rig {
  readonly table: FlowTable;
  readonly book: AddressBook;
  readonly reader: FlowReader;
}

function rig(): Rig {
  const [table, book] = [FlowTable.allocate(16), AddressBook.allocate(16)];
  const hashKey = [1, 2] as const;
  return { table: new FlowTable(table, { hashKey }), book: new AddressBook(book, { hashKey }), reader: new FlowReader(table, book) };
}

const kindOf = (protocol: number, flags = 0): number => (NETWORK << 16) | (protocol << 8) | flags;

const NETWORK6 = {
  ...PLAIN.networks[0]!,
  services: [{ ...PLAIN.networks[0]!.services[0]!, vip6: parseIpv6('fd00::2') }],
};

test('IPv6 flows and ICMP queries as a user sees them', (t) => {
  const { table, book, reader } = rig();
  const [client, vip, target] = ['fd00::9', 'fd00::2', 'fd00::5'].map((text) => book.intern(...parseIpv6(text))) as [number, number, number];
  const [client4, vip4, target4] = [CLIENT, VIP, ENDPOINTS[0]].map(parseIpv4) as [number, number, number];
  table.insert(kindOf(6, FLAG_V6), State.established, client, vip, (40_000 << 16) | 80, target, (8080 << 16) | 40_002, 1, 10);
  table.insert(kindOf(58, FLAG_V6), State.icmp, client, vip, 77 << 16, target, 78, 1, 10);
  table.insert(kindOf(1), State.icmp, client4, vip4, 77 << 16, target4, 78, 1, 10);
  table.setNow(25);
  const shown = reader.list({ networks: [NETWORK6] }).map(({ service: name, protocol, client: from, vip: to, endpoint: by, state, age }) => [name, protocol, from, to, by, state, age]);
  t.deepEqual(shown, [
    ['vote', 'tcp', '[fd00::9]:40000', '[fd00::2]:80', '[fd00::5]:8080', 'established', 1500],
    ['vote', 'icmp', '[fd00::9]:77', 'fd00::2', 'fd00::5', 'icmp', 1500],
    ['vote', 'icmp', `${CLIENT}:77`, VIP, ENDPOINTS[0], 'icmp', 1500],
  ]);
});

test('a drain counts both families of an endpoint, and takes no handle for an IPv4 address', (t) => {
  const { table, book, reader } = rig();
  const address6 = parseIpv6('fd00::5');
  const [client, vip, target] = [book.intern(1, 1, 1, 1), book.intern(2, 2, 2, 2), book.intern(...address6)];
  table.insert(kindOf(17, FLAG_V6), State.udp, client, vip, 1, target, 1, 1, 1);
  table.insert(kindOf(17, FLAG_V6), State.udp, client, vip, 2, target, 2, 1, 1);
  table.insert(kindOf(6, FLAG_V6), State.closed, client, vip, 3, target, 3, 1, 1);
  table.insert(kindOf(17), State.udp, 1, 2, 4, 77, 4, 1, 1);
  t.is(reader.countTo(NETWORK, 77, address6), 3);
  t.is(reader.countTo(NETWORK, 77), 1);
  t.is(reader.countTo(NETWORK, target), 0);
  t.is(reader.countTo(NETWORK, 0, parseIpv6('fd00::6')), 0);
  t.is(reader.countTo(NETWORK + 1, 77, address6), 0);
});

test('a drain waits for UDP flows and ICMP queries only while they have packets', (t) => {
  const { table, reader } = rig();
  const quiet = QUIET_MS / 100;
  table.insert(kindOf(17), State.udp, 1, 2, 1, 77, 1, 1, 10);
  table.insert(kindOf(17), State.udp, 1, 2, 2, 77, 2, 1, 15);
  table.insert(kindOf(1), State.icmp, 1, 2, 3, 77, 3, 1, 10);
  table.insert(kindOf(6), State.established, 1, 2, 4, 77, 4, 1, 10);
  table.setNow(10 + quiet - 1);
  t.is(reader.countTo(NETWORK, 77), 4);
  table.setNow(10 + quiet);
  t.is(reader.countTo(NETWORK, 77), 2);
  table.setNow(15 + quiet);
  t.is(reader.countTo(NETWORK, 77), 1, 'a connection that is silent is still one');
});

test('a handle that stands for nothing, or is none, shows no flow', (t) => {
  const { table, book, reader } = rig();
  const handle = book.intern(1, 1, 1, 1);
  table.insert(kindOf(17, FLAG_V6), State.udp, handle, handle, 1, handle, 1, 1, 1);
  t.is(reader.list(PLAIN).length, 1);
  book.release(handle);
  t.deepEqual(reader.list(PLAIN), []);
  table.insert(kindOf(17, FLAG_V6), State.udp, 1000, -1, 2, 17, 2, 1, 1);
  t.deepEqual(reader.list(PLAIN), []);
  t.is(reader.countTo(NETWORK, 0, [0, 0, 0, 0]), 0);
});

/** Lists flows while, before the n-th word that is read, the writer does the n-th of `acts`; answers what was read and how many words. */
function listInterrupted(reader: FlowReader, acts: ReadonlyMap<number, () => void>): { shown: string[]; loads: number } {
  const load = Atomics.load;
  let loads = 0;
  const patched = (array: Int32Array, at: number): number => {
    const act = acts.get(++loads);
    // The writer may read atomically itself.
    Atomics.load = load;
    act?.();
    Atomics.load = patched as typeof load;
    return load(array, at);
  };
  Atomics.load = patched as typeof load;
  try {
    return { shown: reader.list(PLAIN).map(({ client, vip, endpoint: target }) => `${client} ${vip} ${target}`), loads };
  } finally {
    Atomics.load = load;
  }
}

test.serial('whatever two moments the writer takes to replace a flow and its addresses, and to bring them back, no mixture is shown', (t) => {
  const [own, other] = [parseIpv6('fd00::9'), parseIpv6('fd00::bad')];
  const addresses: Ipv6[] = [own, parseIpv6('fd00::2'), parseIpv6('fd00::5')];
  const expected = '[fd00::9]:7 [fd00::2]:80 [fd00::5]:80';
  const foreign = '[fd00::bad]:8 [fd00::2]:80 [fd00::5]:80';
  const seen = new Set<string>();
  const run = (first: number, second: number): number => {
    const { table, book, reader } = rig();
    const [client, vip, target] = addresses.map((address) => book.intern(...address)) as [number, number, number];
    const insert = (handle: number, port: number): number =>
      table.insert(kindOf(17, FLAG_V6), State.udp, handle, vip, (port << 16) | 80, target, (80 << 16) | port, 1, 1);
    let slot = insert(client, 7);
    const away = (): void => {
      table.remove(slot);
      book.release(client);
      // The same handle for another address, the same slot for its flow.
      slot = insert(book.intern(...other), 8);
    };
    const back = (): void => {
      table.remove(slot);
      book.release(client);
      slot = insert(book.intern(...own), 7);
    };
    const acts = new Map([[first, first === second ? (): void => (away(), back()) : away], [second, first === second ? (): void => (away(), back()) : back]]);
    const { shown, loads } = listInterrupted(reader, acts);
    for (const text of shown) {
      seen.add(text);
      if (text !== expected && text !== foreign) t.fail(`${text} at ${first} and ${second}`);
    }
    return loads;
  };
  const loads = run(0, 0);
  t.true(loads > 30);
  for (let first = 1; first <= loads; first++) for (let second = first; second <= 2 * loads; second++) run(first, second);
  t.deepEqual([...seen].sort(), [expected, foreign].sort());
});

const ENOUGH = 40_000;

/** Runs a writer of 64 slots in another thread while this one reads; answers the records that were read. */
async function readWhileWriting(families: string, visit: (record: FlowRecord) => void): Promise<number> {
  const [table, book] = [FlowTable.allocate(64), AddressBook.allocate(64)];
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const url = (file: string): string => new URL(`../../../../proxy/flow/${file}.js`, import.meta.url).href;
  const writer = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     Promise.all([import(workerData.tableUrl), import(workerData.bookUrl)]).then(([{ FlowTable }, { AddressBook }]) => {
       const flows = new FlowTable(workerData.table, { hashKey: [1, 2] });
       const book = new AddressBook(workerData.book, { hashKey: [1, 2] });
       const live = [];
       for (let n = 1; Atomics.load(workerData.stop, 0) === 0; n = (n + 1) & 0x7fff || 1) {
         const v6 = ${families};
         const address = v6 ? book.intern(n, n, n, n) : n;
         const slot = flows.insert(${kindOf(17)} | (v6 ? ${FLAG_V6} : 0), 9, address, address, (n << 16) | n, address, (n << 16) | n, 1, n);
         live.push({ slot, v6, address });
         if (live.length > 40) {
           const gone = live.shift();
           flows.remove(gone.slot);
           if (gone.v6) book.release(gone.address);
         }
         if (n === 5000) parentPort.postMessage('running');
       }
     });`,
    { eval: true, workerData: { tableUrl: url('table'), bookUrl: url('address-book'), table, book, stop } },
  );
  await new Promise((resolve) => writer.once('message', resolve));
  const reader = new FlowReader(table, book);
  let records = 0;
  try {
    for (let round = 0; round < 20_000 && records < ENOUGH; round++) {
      for (const record of reader.list(PLAIN)) {
        records++;
        visit(record);
      }
    }
  } finally {
    Atomics.store(stop, 0, 1);
    await new Promise((resolve) => writer.once('exit', resolve));
  }
  return records;
}

// Every field of a flow is made from the same number, so a mixture of two flows is seen.
const textOf = (n: number, v6: boolean): string => (v6 ? `[${formatIpv6([n, n, n, n])}]:${n}` : `${formatIpv4(n)}:${n}`);

for (const [name, families] of [
  ['IPv4', 'false'],
  ['IPv6', 'true'],
  ['both families', 'n % 3 === 0'],
] as const) {
  test.serial(`while another thread fills and empties the table, every record that is read is one that was written: ${name}`, async (t) => {
    const records = await readWhileWriting(families, ({ client, vip, endpoint: target }) => {
      const n = Number(client.slice(client.lastIndexOf(':') + 1));
      if (vip !== client || target !== client || client !== textOf(n, client.startsWith('['))) t.fail(`${client} ${vip} ${target}`);
    });
    t.true(records > 1000, `${records} records were read`);
  });
}
