/**
 * ICMP errors of both families by themselves: what a quote says, and that a translated error shows a packet byte for byte as
 * its sender sent it. What the pipeline makes of errors is in icmp-error.test.ts.
 */
import test from 'ava';
import fc from 'fast-check';
import { applyTuple } from '../../../../proxy/rewrite/apply.js';
import { isError, parseQuoted, Quoted, translateError } from '../../../../proxy/rewrite/icmp-error.js';
import { planDeltas } from '../../../../proxy/rewrite/plan.js';
import { parse, Parsed, Reason } from '../../../../proxy/wire/parsed.js';
import { cut } from '../../../support/fragments.js';
import { Handles } from '../../../support/handles.js';
import {
  checksumFault,
  decode,
  DESTINATION_OPTIONS,
  echoFrame,
  errorFrame,
  type Extension,
  frameOf,
  HOP_BY_HOP,
  icmpFrame,
  tcpFrame,
  udpFrame,
  VNET,
} from '../../../support/packets.js';

const FAMILIES = [
  { family: 4, client: '10.0.1.9', vip: '10.0.1.2', balancer: '10.0.1.250', endpoint: '10.0.1.5', router: '10.0.1.1', tooBig: [3, 4], expired: [11, 0], icmp: 1 },
  { family: 6, client: 'fd00::9', vip: 'fd00::2', balancer: 'fd00::fa', endpoint: 'fd00::5', router: 'fd00::1', tooBig: [2, 0], expired: [3, 0], icmp: 58 },
] as const;
type Side = (typeof FAMILIES)[number];

const CLIENT_PORT = 40000;
const BALANCER_PORT = 50001;
const PORT = 80;
const PAD = Buffer.from([1, 4, 0, 0, 0, 0]);
const CHAIN: readonly Extension[] = [[HOP_BY_HOP, PAD], [DESTINATION_OPTIONS, Buffer.alloc(14)]];

const PROTOCOLS = ['tcp', 'udp', 'udp without checksum', 'echo'] as const;
type Protocol = (typeof PROTOCOLS)[number];

/** A packet of the flow as whoever sends it sends it: the client, or with `back` the endpoint. */
function packetOf(side: Side, protocol: Protocol, back: boolean, extensions: readonly Extension[] = []): Buffer {
  const port = protocol === 'echo' ? 0 : PORT;
  const fields = back
    ? { from: side.endpoint, to: side.balancer, sourcePort: port, destinationPort: BALANCER_PORT, identifier: BALANCER_PORT, reply: true }
    : { from: side.client, to: side.vip, sourcePort: CLIENT_PORT, destinationPort: port, identifier: CLIENT_PORT };
  const all = { ...fields, extensions, payload: Buffer.alloc(40, 3), ipOptions: Buffer.alloc(4, 1) };
  if (protocol === 'echo') return echoFrame(all, all.payload);
  return protocol === 'tcp' ? tcpFrame({ ...all, flags: 'SA' }) : udpFrame({ ...all, noChecksum: protocol !== 'udp' });
}

interface Tuple {
  readonly source: string;
  readonly destination: string;
  readonly ports: number;
}

function tuplesOf(side: Side, protocol: Protocol): { client: Tuple; vip: Tuple; balancer: Tuple; endpoint: Tuple } {
  const port = protocol === 'echo' ? 0 : PORT;
  return {
    client: { source: side.client, destination: side.vip, ports: (CLIENT_PORT << 16) | port },
    vip: { source: side.vip, destination: side.client, ports: (port << 16) | CLIENT_PORT },
    balancer: { source: side.balancer, destination: side.endpoint, ports: (BALANCER_PORT << 16) | port },
    endpoint: { source: side.endpoint, destination: side.balancer, ports: (port << 16) | BALANCER_PORT },
  };
}

/** The packet as the other side gets it, by applyTuple. */
function forwarded(bytes: Buffer, side: Side, protocol: Protocol, back: boolean, handles: Handles): Buffer {
  const { client, balancer, vip, endpoint } = tuplesOf(side, protocol);
  const plan = planDeltas(handles.sum(side.client), handles.sum(side.vip), client.ports, handles.sum(side.balancer), handles.sum(side.endpoint), endpoint.ports);
  const to = back ? vip : balancer;
  const deltas = back ? ~plan : plan;
  const frame = frameOf(bytes);
  const packet = new Parsed();
  if (parse(frame, bytes.length, packet) !== Reason.ok) throw new Error('the packet of the test is malformed');
  applyTuple(frame, packet, handles.book, handles.of(to.source), handles.of(to.destination), to.ports, deltas >>> 16, deltas & 0xffff);
  return Buffer.from(frame.bytes.subarray(0, bytes.length));
}

/** Not 17, where TCP's checksum is cut in half: it cannot be known then. */
const l4Length = fc.integer({ min: 8, max: 48 }).filter((length) => length !== 17);

/** The quote of an error frame. */
function quoteIn(bytes: Buffer): Buffer {
  return decode(bytes).l4.subarray(8);
}

function read(bytes: Buffer): { ok: boolean; error: boolean; quoted: Quoted } {
  const frame = frameOf(bytes);
  const packet = new Parsed();
  const quoted = new Quoted();
  if (parse(frame, bytes.length, packet) !== Reason.ok) throw new Error('the error of the test is malformed');
  return { error: isError(packet), ok: parseQuoted(frame, packet, quoted), quoted };
}

for (const side of FAMILIES) {
  for (const protocol of PROTOCOLS) {
    if (side.family === 6 && protocol === 'udp without checksum') continue;
    for (const back of [false, true]) {
      test(`IPv${side.family}: an error about ${protocol} ${back ? 'to the client' : 'to the endpoint'} reaches who sent it, and shows what was sent`, (t) => {
        const handles = new Handles();
        const tuples = tuplesOf(side, protocol);
        const [seen, sent, destination] = back ? [tuples.vip, tuples.endpoint, side.endpoint] : [tuples.balancer, tuples.client, side.client];
        const reporter = back ? side.client : side.endpoint;
        const shown = back ? side.balancer : side.vip;
        fc.assert(
          fc.property(l4Length, fc.boolean(), fc.constantFrom(side.tooBig, side.expired), fc.boolean(), (l4Bytes, byRouter, kind, chained) => {
            const original = packetOf(side, protocol, back, chained ? CHAIN : []);
            const delivered = forwarded(original, side, protocol, back, handles);
            const error = errorFrame({ from: byRouter ? side.router : reporter, to: seen.source, ipOptions: Buffer.alloc(4, 1), partial: chained }, kind[0], kind[1], 1400, delivered, l4Bytes);

            const frame = frameOf(error);
            const packet = new Parsed();
            const quoted = new Quoted();
            t.is(parse(frame, error.length, packet), Reason.ok);
            t.true(isError(packet));
            t.true(parseQuoted(frame, packet, quoted));
            t.deepEqual([quoted.family, quoted.sourcePort, quoted.destinationPort], [side.family, seen.ports >>> 16, seen.ports & 0xffff]);
            if (side.family === 4) t.deepEqual([quoted.source, quoted.destination], [handles.of(seen.source), handles.of(seen.destination)]);
            const outer = byRouter ? 0 : handles.of(shown);
            translateError(frame, packet, quoted, handles.book, outer, handles.of(destination), handles.of(sent.source), handles.of(sent.destination), sent.ports);

            const out = Buffer.from(frame.bytes.subarray(0, error.length));
            const { fromText, toText, l4 } = decode(out);
            t.deepEqual([fromText, toText], [byRouter ? side.router : shown, destination]);
            t.is(checksumFault(out), undefined);
            t.deepEqual(out.subarray(0, VNET), Buffer.alloc(VNET));
            t.deepEqual([...l4.subarray(0, 2), l4.readUInt32BE(4)], [...kind, 1400], 'type, code and MTU are as they were');
            t.deepEqual(quoteIn(out), original.subarray(VNET, VNET + quoteIn(out).length));
          }),
          { numRuns: 60 },
        );
      });
    }
  }

  test(`IPv${side.family}: a quoted UDP checksum that is computed to be 0 is written as 0xffff`, (t) => {
    const handles = new Handles();
    const { client, balancer } = tuplesOf(side, 'udp');
    const fields = { from: side.client, to: side.vip, sourcePort: CLIENT_PORT, destinationPort: PORT };
    const at = VNET + (side.family === 4 ? 26 : 46);
    // With its own checksum as payload, the checksum of a datagram is 0.
    const original = udpFrame({ ...fields, payload: udpFrame({ ...fields, payload: Buffer.alloc(2) }).subarray(at, at + 2) });
    t.is(original.readUInt16BE(at), 0xffff);
    const error = errorFrame({ from: side.router, to: side.balancer }, side.tooBig[0], side.tooBig[1], 1280, forwarded(original, side, 'udp', false, handles), 8);
    const frame = frameOf(error);
    const packet = new Parsed();
    const quoted = new Quoted();
    t.is(parse(frame, error.length, packet), Reason.ok);
    t.true(parseQuoted(frame, packet, quoted));
    t.is(quoted.sourcePort, balancer.ports >>> 16);
    translateError(frame, packet, quoted, handles.book, 0, handles.of(side.client), handles.of(side.client), handles.of(side.vip), client.ports);
    t.deepEqual(quoteIn(Buffer.from(frame.bytes.subarray(0, error.length))), original.subarray(VNET, original.length - 2));
  });

  test(`IPv${side.family}: what no flow can have sent, or cannot be read, is not matched`, (t) => {
    const to = { from: side.router, to: side.balancer };
    const [type, code] = side.expired;
    const udp = packetOf(side, 'udp', false);
    t.true(read(errorFrame(to, type, code, 0, udp, 8)).ok);
    const other = FAMILIES.find(({ family }) => family !== side.family)!;
    const cases: Record<string, Buffer> = {
      '7 bytes of L4': errorFrame(to, type, code, 0, udp, 7),
      'no L4': errorFrame(to, type, code, 0, udp, 0),
      'half a header': errorFrame(to, type, code, 0, udp, -10),
      'nothing': icmpFrame(to, Buffer.from([type, code, 0, 0, 0, 0, 0, 0])),
      'the other family': errorFrame(to, type, code, 0, packetOf(other, 'udp', false), 40),
      'a later fragment': icmpFrame(to, Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), cut(udp, { at: [8] })[1]!.subarray(VNET)])),
      'an error': errorFrame(to, type, code, 0, errorFrame(to, type, code, 0, udp, 8), 8),
      'a protocol without ports': errorFrame(to, type, code, 0, icmpFrame(to, Buffer.from([13, 0, 0, 0, 0, 7, 0, 0])), 8),
    };
    for (const [name, bytes] of Object.entries(cases)) {
      t.true(read(bytes).error);
      t.false(read(bytes).ok, name);
    }
  });

  test(`IPv${side.family}: a first fragment has its ports in the quote`, (t) => {
    const [type, code] = side.tooBig;
    const first = cut(packetOf(side, 'udp', false), { at: [24] })[0]!;
    const { ok, quoted } = read(errorFrame({ from: side.router, to: side.client }, type, code, 1280, first, 8));
    t.true(ok);
    t.like(quoted, { protocol: 17, sourcePort: CLIENT_PORT, destinationPort: PORT });
  });

  test(`IPv${side.family}: which messages are errors to translate`, (t) => {
    const errors = side.family === 4 ? [3, 4, 11, 12] : [1, 2, 3, 4];
    for (let type = 0; type < 256; type++) {
      const bytes = icmpFrame({ from: side.router, to: side.client }, Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]));
      t.is(read(bytes).error, errors.includes(type), `${type}`);
    }
  });
}

test('IPv6: a quoted chain that is malformed is not matched', (t) => {
  const side = FAMILIES[1];
  const error = (extensions: readonly Extension[]): boolean => read(errorFrame({ from: side.router, to: side.client }, 1, 0, 0, packetOf(side, 'udp', false, extensions), 8)).ok;
  t.true(error(CHAIN));
  t.false(error([[DESTINATION_OPTIONS, PAD], [HOP_BY_HOP, PAD]]));
  t.false(error(new Array<Extension>(9).fill([DESTINATION_OPTIONS, PAD])));
});
