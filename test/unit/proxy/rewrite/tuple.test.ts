/**
 * Properties of rewriting, both families and every protocol that has flows: any packet in, then its answer. Addresses, ports
 * and identifiers come back exactly, and every checksum is right by the naive sum.
 */
import test from 'ava';
import fc from 'fast-check';
import { formatIpv4 } from '../../../../proxy/net/addr.js';
import { formatIpv6 } from '../../../../proxy/net/addr6.js';
import { applyTuple } from '../../../../proxy/rewrite/apply.js';
import { planDeltas } from '../../../../proxy/rewrite/plan.js';
import { parse, Parsed, Reason } from '../../../../proxy/wire/parsed.js';
import { Handles } from '../../../support/handles.js';
import { checksumFault, decode, DESTINATION_OPTIONS, echoFrame, type Extension, frameOf, HOP_BY_HOP, tcpFrame, udpFrame } from '../../../support/packets.js';

const ipv4 = fc.oneof(fc.constantFrom(0x01000000, 0x0affffff, 0x7fffffff, 0x80000000, 0xdfffffff), fc.integer({ min: 1, max: 0xffffffff })).map(formatIpv4);
const word = fc.oneof(fc.constantFrom(0, -1, 0xffff, 0xffff0000 | 0), fc.integer());
const ipv6 = fc.tuple(fc.integer({ min: 1 }), word, word, word).map(formatIpv6);
const port = fc.oneof(fc.constantFrom(1, 0x7fff, 0x8000, 0xffff), fc.integer({ min: 1, max: 0xffff }));

const PROTOCOLS = ['tcp', 'udp', 'echo'] as const;
const EXTENSIONS: readonly (readonly Extension[])[] = [[], [[HOP_BY_HOP, Buffer.from([1, 4, 0, 0, 0, 0])]], [[DESTINATION_OPTIONS, Buffer.alloc(30)]]];

const exchange = fc.record({
  family: fc.constantFrom(4, 6),
  v4: fc.tuple(ipv4, ipv4, ipv4, ipv4),
  v6: fc.tuple(ipv6, ipv6, ipv6, ipv6),
  clientPort: port,
  port,
  balancerPort: port,
  payload: fc.uint8Array({ maxLength: 64 }),
  extensions: fc.constantFrom(...EXTENSIONS),
  partial: fc.boolean(),
  noChecksum: fc.boolean(),
});

interface Tuple {
  readonly source: string;
  readonly destination: string;
  readonly ports: number;
}

/** The frame's bytes with its tuple changed. `way`: 1 toward the endpoint, -1 back. */
function applied(bytes: Uint8Array, handles: Handles, to: Tuple, deltas: number): Buffer {
  const frame = frameOf(bytes);
  const packet = new Parsed();
  if (parse(frame, bytes.length, packet) !== Reason.ok) throw new Error('the packet of the test is malformed');
  applyTuple(frame, packet, handles.book, handles.of(to.source), handles.of(to.destination), to.ports, deltas >>> 16, deltas & 0xffff);
  return Buffer.from(frame.bytes.subarray(0, bytes.length));
}

for (const protocol of PROTOCOLS) {
  for (const family of [4, 6]) {
    test(`IPv${family} ${protocol}: there with right checksums, back and itself again`, (t) => {
      fc.assert(
        fc.property(exchange, (x) => {
          const [client, vip, balancer, endpoint] = family === 4 ? x.v4 : x.v6;
          fc.pre(new Set([client, vip]).size === 2 && endpoint !== balancer);
          const handles = new Handles();
          const isEcho = protocol === 'echo';
          const clientPorts = (x.clientPort << 16) | (isEcho ? 0 : x.port);
          const endpointPorts = ((isEcho ? 0 : x.port) << 16) | x.balancerPort;
          const fields = {
            from: client,
            to: vip,
            sourcePort: x.clientPort,
            destinationPort: x.port,
            identifier: x.clientPort,
            payload: x.payload,
            partial: x.partial,
            noChecksum: family === 4 && x.noChecksum && !x.partial,
            extensions: x.extensions,
          };
          const request = protocol === 'tcp' ? tcpFrame(fields) : protocol === 'udp' ? udpFrame(fields) : echoFrame(fields, x.payload);
          const deltas = planDeltas(handles.sum(client), handles.sum(vip), clientPorts, handles.sum(balancer), handles.sum(endpoint), endpointPorts);
          const there = applied(request, handles, { source: balancer, destination: endpoint, ports: (endpointPorts << 16) | (endpointPorts >>> 16) }, deltas);
          const seen = decode(there);
          t.is(checksumFault(there), undefined);
          t.deepEqual([seen.fromText, seen.toText], [balancer, endpoint]);
          t.is(isEcho ? seen.l4.readUInt16BE(4) : seen.sourcePort, x.balancerPort);
          if (!isEcho) t.is(seen.destinationPort, x.port);

          // The deltas of the two ways are each other's complement.
          const again = applied(there, handles, { source: client, destination: vip, ports: clientPorts }, ~deltas);
          t.deepEqual(again, request);
        }),
        { numRuns: 400 },
      );
    });
  }
}

test('an answer reaches the client from the VIP, an echo reply too', (t) => {
  for (const [client, vip, balancer, endpoint] of [['10.0.1.9', '10.0.1.2', '10.0.1.250', '10.0.1.5'], ['fd00::9', 'fd00::2', 'fd00::fa', 'fd00::5']] as const) {
    const handles = new Handles();
    const [clientPorts, endpointPorts] = [7 << 16, 9];
    const deltas = ~planDeltas(handles.sum(client), handles.sum(vip), clientPorts, handles.sum(balancer), handles.sum(endpoint), endpointPorts);
    const answer = echoFrame({ from: endpoint, to: balancer, identifier: 9, reply: true });
    const out = applied(answer, handles, { source: vip, destination: client, ports: (clientPorts << 16) | (clientPorts >>> 16) }, deltas);
    t.deepEqual(out, echoFrame({ from: vip, to: client, identifier: 7, reply: true }));
  }
});

test('a UDP checksum that is computed to be 0 is written as 0xffff', (t) => {
  for (const [client, vip, balancer, endpoint] of [['10.0.1.9', '10.0.1.2', '10.0.1.250', '10.0.1.5'], ['fd00::9', 'fd00::2', 'fd00::fa', 'fd00::5']] as const) {
    const handles = new Handles();
    const fields = { from: client, to: vip, sourcePort: 40000, destinationPort: 53 };
    const at = client.includes(':') ? 56 : 36;
    const open = udpFrame({ ...fields, payload: Buffer.alloc(2) });
    // With its own checksum as payload, the checksum of a datagram is 0.
    const request = udpFrame({ ...fields, payload: open.subarray(at, at + 2) });
    t.is(request.readUInt16BE(at), 0xffff);
    const ports = (40000 << 16) | 53;
    const deltas = planDeltas(handles.sum(client), handles.sum(vip), ports, handles.sum(balancer), handles.sum(endpoint), (53 << 16) | 40000);
    const there = applied(request, handles, { source: balancer, destination: endpoint, ports }, deltas);
    t.deepEqual(applied(there, handles, { source: client, destination: vip, ports }, ~deltas), request);
  }
});

test('an error in a checksum stays one of the same size', (t) => {
  const handles = new Handles();
  const [client, vip, balancer, endpoint] = ['fd00::9', 'fd00::2', 'fd00::fa', 'fd00::5'] as const;
  const ports = (40000 << 16) | 80;
  const deltas = planDeltas(handles.sum(client), handles.sum(vip), ports, handles.sum(balancer), handles.sum(endpoint), (80 << 16) | 40000);
  const wrong = tcpFrame({ from: client, to: vip, payload: Buffer.from('data') });
  wrong[wrong.length - 1]! ^= 1;
  const out = applied(wrong, handles, { source: balancer, destination: endpoint, ports }, deltas);
  t.is(checksumFault(out), 'L4 checksum');
  out[out.length - 1]! ^= 1;
  t.is(checksumFault(out), undefined);
});
