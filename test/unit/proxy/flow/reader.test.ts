import { Worker } from 'node:worker_threads';
import test from 'ava';
import { FlowReader } from '../../../../proxy/flow/reader.js';
import { FlowTable } from '../../../../proxy/flow/table.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
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

test('while another thread fills and empties the table, every record that is read is one that was written', async (t) => {
  const buffer = FlowTable.allocate(64);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const url = new URL('../../../../proxy/flow/table.js', import.meta.url).href;
  // Every field of a flow is made from the same number, so a mixture of two flows is seen.
  const writer = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads');
     import(workerData.url).then(({ FlowTable }) => {
       const flows = new FlowTable(workerData.buffer, { hashKey: [1, 2] });
       const slots = [];
       for (let n = 1; Atomics.load(workerData.stop, 0) === 0; n = (n + 1) & 0x7fff || 1) {
         slots.push(flows.insert(${(NETWORK << 16) | (17 << 8)}, 9, n, n, (n << 16) | n, n, (n << 16) | n, 1, n));
         if (slots.length > 40) flows.remove(slots.shift());
         if (n === 5000) parentPort.postMessage('running');
       }
     });`,
    { eval: true, workerData: { url, buffer, stop } },
  );
  await new Promise((resolve) => writer.once('message', resolve));
  const reader = new FlowReader(buffer);
  let records = 0;
  for (let round = 0; round < 20_000; round++) {
    for (const record of reader.list(PLAIN)) {
      records++;
      const [address, port] = record.client.split(':');
      if (record.vip !== record.client || record.endpoint !== record.client || parseIpv4(address!) !== Number(port)) t.fail(JSON.stringify(record));
    }
  }
  Atomics.store(stop, 0, 1);
  await new Promise((resolve) => writer.once('exit', resolve));
  t.true(records > 1000, `${records} records were read`);
});
