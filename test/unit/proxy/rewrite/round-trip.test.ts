/**
 * Properties of rewriting: any packet in, then its answer. Addresses and ports come back exactly, and every checksum is
 * right by the naive sum, whatever the addresses, ports, payload and checksum mode.
 */
import test from 'ava';
import fc from 'fast-check';
import { formatIpv4, parseIpv4 } from '../../../../proxy/net/addr.js';
import { BALANCER, Mesh, NETWORK } from '../../../support/mesh.js';
import { checksumFault, decode, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

const address = fc
  .oneof(fc.constantFrom(0x01000000, 0x0affffff, 0x7effffff, 0x80000000, 0xdfffffff), fc.integer({ min: 0x01000000, max: 0xdfffffff }))
  .filter((value) => value >>> 24 !== 127)
  .map(formatIpv4);
const port = fc.oneof(fc.constantFrom(1, 0x7fff, 0x8000, 0xffff), fc.integer({ min: 1, max: 0xffff }));

const exchange = fc.record({
  client: address,
  vip: address,
  endpoint: address,
  balancer: address,
  clientPort: port,
  port,
  payload: fc.uint8Array({ maxLength: 64 }),
  answer: fc.uint8Array({ maxLength: 64 }),
  ipOptions: fc.constantFrom(new Uint8Array(0), new Uint8Array([1, 1, 1, 0]), new Uint8Array(40)),
  partial: fc.boolean(),
  answerPartial: fc.boolean(),
});

for (const protocol of ['tcp', 'udp'] as const) {
  test(`${protocol}: a packet and its answer`, (t) => {
    fc.assert(
      fc.property(
        exchange.filter(({ client, vip, endpoint, balancer }) => new Set([client, vip, balancer]).size === 3 && endpoint !== balancer && endpoint !== vip),
        (x) => {
          const mesh = new Mesh({
            maxFlows: 4,
            config: {
              epoch: 1,
              networks: [
                {
                  index: NETWORK,
                  id: 'id',
                  name: 'n',
                  balancer: parseIpv4(x.balancer),
                  services: [{ id: 's', name: 's', vip: parseIpv4(x.vip), scheduler: 'rr', endpoints: [{ id: 'e', address: parseIpv4(x.endpoint), weight: 1 }] }],
                },
              ],
            },
          });
          const make = protocol === 'tcp' ? tcpFrame : udpFrame;
          const request = make({
            from: x.client,
            to: x.vip,
            sourcePort: x.clientPort,
            destinationPort: x.port,
            payload: x.payload,
            partial: x.partial,
            ipOptions: x.ipOptions,
            ...(protocol === 'tcp' && { flags: 'S' }),
          });
          const there = mesh.pass(request);
          const seen = decode(there);
          t.is(checksumFault(there), undefined);
          t.like(seen, { from: parseIpv4(x.balancer), to: parseIpv4(x.endpoint), sourcePort: x.clientPort, destinationPort: x.port });
          t.deepEqual(there.subarray(0, VNET), request.subarray(0, VNET));
          t.deepEqual(there.subarray(-x.payload.length || there.length), request.subarray(-x.payload.length || request.length));

          const answer = make({
            from: x.endpoint,
            to: x.balancer,
            sourcePort: x.port,
            destinationPort: seen.sourcePort,
            payload: x.answer,
            partial: x.answerPartial,
            ...(protocol === 'tcp' && { flags: 'SA' }),
          });
          const back = mesh.pass(answer);
          t.is(checksumFault(back), undefined);
          t.like(decode(back), { from: parseIpv4(x.vip), to: parseIpv4(x.client), sourcePort: x.port, destinationPort: x.clientPort });
          t.is(mesh.unaccounted(), 0);
        },
      ),
      { numRuns: 1500 },
    );
    t.pass();
  });
}

test('a packet that is there and back again is itself', (t) => {
  // The deltas of the two directions are each other's complement: applied one after the other they change nothing.
  const mesh = new Mesh();
  const request = udpFrame({ from: '10.0.1.9', to: '10.0.1.2', payload: Buffer.from('there') });
  const there = mesh.pass(request);
  const mirrored = Buffer.from(there);
  mirrored.set(there.subarray(VNET + 12, VNET + 16), VNET + 16);
  mirrored.set(there.subarray(VNET + 16, VNET + 20), VNET + 12);
  mirrored.set(there.subarray(VNET + 20, VNET + 22), VNET + 22);
  mirrored.set(there.subarray(VNET + 22, VNET + 24), VNET + 20);
  t.is(decode(mirrored).to, parseIpv4(BALANCER));
  const back = mesh.pass(mirrored);
  t.is(checksumFault(back), undefined);
  t.deepEqual(decode(back).l4.subarray(4), decode(request).l4.subarray(4));
});
