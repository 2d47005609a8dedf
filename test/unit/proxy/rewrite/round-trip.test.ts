/**
 * Properties of rewriting: any packet in, then its answer. Addresses, ports and identifiers come back exactly, what is not
 * theirs is untouched, and every checksum is right by the naive sum: TCP, UDP and echo, both families, complete and partial
 * checksums, super-packets, options and extension headers.
 */
import test from 'ava';
import fc from 'fast-check';
import { formatIpv4, parseIpv4 } from '../../../../proxy/net/addr.js';
import { formatIpv6, type Ipv6, parseIpv6 } from '../../../../proxy/net/addr6.js';
import { BALANCER, IPV4, Mesh, NETWORK } from '../../../support/mesh.js';
import { checksumFault, decode, DESTINATION_OPTIONS, echoFrame, type Extension, HOP_BY_HOP, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

type Protocol = 'tcp' | 'udp' | 'echo';
type Family = 4 | 6;

const address4 = fc
  .oneof(fc.constantFrom(0x01000000, 0x0affffff, 0x7effffff, 0x80000000, 0xdfffffff), fc.integer({ min: 0x01000000, max: 0xdfffffff }))
  .filter((value) => value >>> 24 !== 127)
  .map(formatIpv4);
const word = fc.oneof(fc.constantFrom(0, -1, 1, 0x0000ffff, -65_536), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
/** Global and unique local ones: no group, no loopback. */
const address6 = fc.tuple(fc.constantFrom(0x20010db8, 0xfd000000 | 0, 0xfcffffff | 0), word, word, word).map((words) => formatIpv6(words as Ipv6));
const port = fc.oneof(fc.constantFrom(1, 0x7fff, 0x8000, 0xffff), fc.integer({ min: 1, max: 0xffff }));

const side = fc.record({
  payload: fc.oneof({ weight: 20, arbitrary: fc.uint8Array({ maxLength: 64 }) }, { weight: 1, arbitrary: fc.uint8Array({ minLength: 3000, maxLength: 3001, size: 'max' }) }),
  partial: fc.boolean(),
  gso: fc.boolean(),
  /** Options of IPv4, or extension headers, by number. */
  headers: fc.nat(2),
});
const OPTIONS = [new Uint8Array(0), new Uint8Array([1, 1, 1, 0]), new Uint8Array(40)] as const;
const PAD = new Uint8Array([1, 4, 0, 0, 0, 0]);
const EXTENSIONS: readonly (readonly Extension[])[] = [[], [[DESTINATION_OPTIONS, PAD]], [[HOP_BY_HOP, PAD], [DESTINATION_OPTIONS, new Uint8Array(14)]]];

const exchangeOf = (family: Family) => {
  const address = family === 4 ? address4 : address6;
  return fc
    .record({ client: address, vip: address, endpoint: address, balancer: address, clientPort: port, port, there: side, back: side })
    .filter(({ client, vip, endpoint, balancer }) => new Set([client, vip, balancer]).size === 3 && endpoint !== balancer && endpoint !== vip);
};

/** One service at these addresses; of the other family everybody has an address that does not matter here. */
function meshFor(family: Family, { vip, endpoint, balancer }: { vip: string; endpoint: string; balancer: string }): Mesh {
  const addressOf = (text: string, other: string) => (family === 4 ? parseIpv4(text) : parseIpv4(other));
  const six = <K extends string>(name: K, text: string) => (family === 6 ? ({ [name]: parseIpv6(text) } as Record<K, Ipv6>) : {});
  return new Mesh({
    maxFlows: 4,
    config: {
      epoch: 1,
      networks: [
        {
          index: NETWORK,
          id: 'id',
          name: 'n',
          balancer: addressOf(balancer, IPV4.balancer),
          ...six('balancer6', balancer),
          services: [
            {
              id: 's',
              name: 's',
              vip: addressOf(vip, IPV4.vip),
              ...six('vip6', vip),
              scheduler: 'rr',
              endpoints: [{ id: 'e', address: addressOf(endpoint, IPV4.endpoints[0]), ...six('address6', endpoint), weight: 1 }],
            },
          ],
        },
      ],
    },
  });
}

interface Ends {
  readonly from: string;
  readonly to: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

function make(protocol: Protocol, family: Family, isReply: boolean, ends: Ends, { payload, partial, gso, headers }: { payload: Uint8Array; partial: boolean; gso: boolean; headers: number }): Buffer {
  const types = { tcp: family === 4 ? 1 : 4, udp: 5 };
  const fields = {
    ...ends,
    payload,
    partial,
    ...(family === 4 ? { ipOptions: OPTIONS[headers]! } : { extensions: EXTENSIONS[headers]! }),
    // Segmentation goes with a checksum that is left to the kernel.
    ...(gso && partial && protocol !== 'echo' && { gso: [types[protocol], 1400] as const }),
  };
  if (protocol === 'tcp') return tcpFrame({ ...fields, flags: isReply ? 'SA' : 'S', seq: 0xfffffff0, ack: 0x80000000 });
  if (protocol === 'udp') return udpFrame(fields);
  return echoFrame({ ...fields, partial: false, reply: isReply, identifier: isReply ? ends.destinationPort : ends.sourcePort }, payload);
}

/** Where what a rewrite may change begins and ends: the addresses, and the ports or identifier with the checksum. */
function masked(frame: Buffer, protocol: Protocol): string {
  const copy = Buffer.from(frame);
  const isV4 = copy[VNET]! >>> 4 === 4;
  if (isV4) copy.fill(0, VNET + 10, VNET + 20);
  else copy.fill(0, VNET + 8, VNET + 40);
  const l4 = copy.length - decode(frame).l4.length;
  if (protocol === 'echo') copy.fill(0, l4 + 2, l4 + 6);
  else copy.fill(0, l4, l4 + 4);
  const checksum = { tcp: 16, udp: 6, echo: 2 }[protocol];
  copy.fill(0, l4 + checksum, l4 + checksum + 2);
  return copy.toString('hex');
}

for (const family of [4, 6] as const) {
  for (const protocol of ['tcp', 'udp', 'echo'] as const) {
    test(`IPv${family}, ${protocol}: a packet and its answer`, (t) => {
      fc.assert(
        fc.property(exchangeOf(family), (x) => {
          const mesh = meshFor(family, x);
          const ports = protocol === 'echo' ? {} : { sourcePort: x.clientPort, destinationPort: x.port };
          const request = make(protocol, family, false, { from: x.client, to: x.vip, sourcePort: x.clientPort, destinationPort: x.port }, x.there);
          const there = mesh.pass(request);
          t.is(checksumFault(there), undefined);
          t.like(decode(there), { fromText: x.balancer, toText: x.endpoint, ...ports });
          t.is(masked(there, protocol), masked(request, protocol));
          const identifier = (frame: Buffer): number => decode(frame).l4.readUInt16BE(4);
          if (protocol === 'echo') t.is(identifier(there), x.clientPort);

          const answer = make(protocol, family, true, { from: x.endpoint, to: x.balancer, sourcePort: x.port, destinationPort: x.clientPort }, x.back);
          const back = mesh.pass(answer);
          t.is(checksumFault(back), undefined);
          t.like(decode(back), { fromText: x.vip, toText: x.client, ...(protocol !== 'echo' && { sourcePort: x.port, destinationPort: x.clientPort }) });
          t.is(masked(back, protocol), masked(answer, protocol));
          if (protocol === 'echo') t.is(identifier(back), x.clientPort);
          t.is(mesh.unaccounted(), 0);
        }),
        { numRuns: 500 },
      );
      t.pass();
    });
  }
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
