import test from 'ava';
import fc from 'fast-check';
import { fragment6 } from '../../../../proxy/fragment/fragmenter.js';
import { FragmentEvent, Reassembler, type ReassemblerOptions } from '../../../../proxy/fragment/reassembler.js';
import { makeFrame } from '../../../../proxy/wire/frame.js';
import { parse, Parsed, Reason } from '../../../../proxy/wire/parsed.js';
import { cut, fragmentOf } from '../../../support/fragments.js';
import { checksumFault, DESTINATION_OPTIONS, echoFrame, type Extension, FRAGMENT, HOP_BY_HOP, naiveSum, ROUTING, tcpFrame, udpFrame, VNET } from '../../../support/packets.js';

const V4 = { from: '10.0.1.9', to: '10.0.1.2' };
const V6 = { from: 'fd00::9', to: 'fd00::2' };
const PAD = Buffer.from([1, 4, 0, 0, 0, 0]);

type EventName = keyof typeof FragmentEvent;

/** A reassembler that is fed with whole frames. */
class Bench {
  readonly counts: Record<EventName, number> = { received: 0, reassembled: 0, duplicate: 0, overlap: 0, malformed: 0, timeout: 0, memory: 0 };
  readonly reassembler: Reassembler;
  readonly #frame = makeFrame();
  readonly #packet = new Parsed();
  now = 1000;

  constructor(options: Partial<ReassemblerOptions> = {}) {
    const names = Object.keys(FragmentEvent) as EventName[];
    this.reassembler = new Reassembler({
      count: (event, fragments) => {
        if (fragments < 1) throw new Error(`${names[event]} of ${fragments} fragments`);
        this.counts[names[event] as EventName] += fragments;
      },
      ...options,
    });
  }

  /** The whole datagram that a fragment completes. */
  add(bytes: Uint8Array, network = 1): Buffer | undefined {
    this.#frame.bytes.fill(0xee);
    this.#frame.bytes.set(bytes);
    const reason = parse(this.#frame, bytes.length, this.#packet);
    if (reason !== Reason.fragment) throw new Error(`not a fragment, reason ${reason}`);
    const length = this.reassembler.add(this.#frame, this.#packet, network, this.now);
    return length === 0 ? undefined : Buffer.from(this.#frame.bytes.subarray(0, length));
  }

  /** What comes out for fragments one after the other. */
  all(fragments: readonly Uint8Array[]): Buffer[] {
    return fragments.flatMap((bytes) => this.add(bytes) ?? []);
  }

  /** All events but `received`, those that happened. */
  events(): Partial<Record<EventName, number>> {
    return Object.fromEntries(Object.entries(this.counts).filter(([name, value]) => name !== 'received' && value > 0));
  }

  /** Received fragments that are not accounted for by what became of them: those that are held. */
  held(): number {
    return 2 * this.counts.received - Object.values(this.counts).reduce((sum, value) => sum + value, 0);
  }
}

/** As it comes out: in IPv4 without DF, and with the reassembler's identification. */
function expected(frame: Buffer, id = 1): Buffer {
  const bytes = Buffer.from(frame);
  if ((bytes[VNET] as number) >>> 4 === 6) return bytes;
  const headerLength = ((bytes[VNET] as number) & 15) * 4;
  bytes.writeUInt16BE(id, VNET + 4);
  bytes.writeUInt16BE(0, VNET + 6);
  bytes.writeUInt16BE(0, VNET + 10);
  bytes.writeUInt16BE(0xffff - naiveSum(bytes, VNET, VNET + headerLength), VNET + 10);
  return bytes;
}

const bytesOf = (length: number, seed = 1): Buffer => Buffer.from(Array.from({ length }, (_, at) => (Math.imul(at + seed, 2654435761) >>> 24) & 0xff));

for (const [family, addresses] of [['IPv4', V4], ['IPv6', V6]] as const) {
  const whole = udpFrame({ ...addresses, payload: bytesOf(4000) });
  const fragments = cut(whole, { at: [1448, 2896] });
  const other = udpFrame({ ...addresses, payload: bytesOf(3000, 99), sourcePort: 5 });
  const otherFragments = cut(other, { at: [8, 1448], id: 0x4321 });

  test(`${family}: in order, reversed, and with the last in the middle`, (t) => {
    for (const order of [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2], [1, 2, 0]]) {
      const bench = new Bench();
      const before = bench.reassembler.available;
      t.deepEqual(bench.all(order.map((i) => fragments[i] as Buffer)), [expected(whole)], `${order.join()}`);
      t.deepEqual(bench.events(), { reassembled: 3 });
      t.is(bench.reassembler.size, 0);
      t.is(bench.reassembler.available, before);
    }
    t.is(checksumFault(expected(whole)), undefined);
  });

  test(`${family}: datagrams that come between each other, told apart by all that names them`, (t) => {
    const bench = new Bench();
    const variants = [
      other,
      udpFrame({ ...addresses, from: addresses.from + '9', payload: bytesOf(4000, 3) }),
      udpFrame({ ...addresses, to: addresses.to + '9', payload: bytesOf(4000, 4) }),
    ];
    const streams = [fragments, otherFragments, cut(variants[1] as Buffer, { at: [1448, 2896] }), cut(variants[2] as Buffer, { at: [1448, 2896] })];
    const out = bench.all([0, 1, 2].flatMap((i) => streams.map((stream) => stream[i] as Buffer)));
    t.deepEqual(out, [whole, ...variants].map((frame, i) => expected(frame, i + 1)));
    t.is(bench.add(fragments[0] as Buffer, 1), undefined);
    t.is(bench.add(fragments[1] as Buffer, 2), undefined);
    t.is(bench.add(fragments[2] as Buffer, 1), undefined, 'networks do not mix');
    t.is(bench.reassembler.size, 2);
    t.is(bench.held(), 3);
  });

  test(`${family}: the very same once more is ignored`, (t) => {
    const bench = new Bench();
    const [a, b, c] = fragments as [Buffer, Buffer, Buffer];
    t.deepEqual(bench.all([b, b, a, a, b, c]), [expected(whole)]);
    t.deepEqual(bench.events(), { reassembled: 3, duplicate: 3 });
  });

  test(`${family}: an overlap drops the datagram, whichever side it comes from`, (t) => {
    const part = (offset: number, length: number, more = true): Buffer => fragmentOf(whole, offset, more, bytesOf(length, offset));
    const cases: Record<string, readonly Buffer[]> = {
      'its end into the next': [part(1448, 1448), part(8, 1448)],
      'its start into the one before': [part(0, 1448), part(1440, 1448)],
      'within another': [part(0, 1448), part(8, 16)],
      'around another': [part(0, 16), part(64, 16), part(32, 128)],
      'the same start': [part(0, 1448), part(0, 1440)],
      'the same place with other bytes': [part(0, 1448), fragmentOf(whole, 0, true, Buffer.concat([bytesOf(1447, 0), Buffer.from([1])]))],
      'behind the end': [part(1448, 8, false), part(1456, 8)],
      'up to the end, but with more to come': [part(1448, 8, false), part(1440, 16)],
      'the last again, but with more to come': [part(1448, 8, false), part(1448, 8)],
      'another end': [part(1448, 8, false), part(2000, 8, false)],
      'an end before what came': [part(1448, 8), part(8, 8, false)],
      'an end where there was more to come': [part(1448, 8), part(1448, 8, false)],
    };
    for (const [name, list] of Object.entries(cases)) {
      const bench = new Bench();
      t.deepEqual(bench.all(list), [], name);
      t.deepEqual(bench.events(), { overlap: list.length }, name);
      t.is(bench.reassembler.size, 0);
      t.deepEqual(bench.all(fragments), [expected(whole)], 'and the datagram can come anew');
    }
  });

  test(`${family}: a first fragment without its whole L4 header drops the datagram`, (t) => {
    const tcp = tcpFrame({ ...addresses, flags: 'S', tcpOptions: Buffer.alloc(20, 1), payload: bytesOf(100) });
    const cases: readonly (readonly [string, Buffer, number, number])[] = [
      ['TCP without flags', tcp, 8, 1],
      ['TCP without options', tcp, 32, 1],
      ['TCP with its header', tcp, 40, 0],
      ['UDP', udpFrame({ ...addresses, payload: bytesOf(100) }), 8, 0],
      ['ICMP', echoFrame(addresses, bytesOf(100)), 8, 0],
    ];
    for (const [name, frame, at, dropped] of cases) {
      for (const order of [[0, 1], [1, 0]]) {
        const bench = new Bench();
        const parts = cut(frame, { at: [at] });
        const out = bench.all(order.map((i) => parts[i] as Buffer));
        t.deepEqual(out, dropped ? [] : [expected(frame)], name);
        // When the first comes first there is nothing to tell that its next is of a dropped one.
        t.deepEqual(bench.events(), dropped ? { malformed: order[0] === 0 ? 1 : 2 } : { reassembled: 2 }, name);
      }
    }
  });

  test(`${family}: empty ones, and of odd length in the middle, drop the datagram`, (t) => {
    for (const bad of [fragmentOf(whole, 1448, true, Buffer.alloc(0)), fragmentOf(whole, 1448, true, bytesOf(1447)), fragmentOf(whole, 1448, false, Buffer.alloc(0))]) {
      const bench = new Bench();
      t.deepEqual(bench.all([fragments[0] as Buffer, bad]), []);
      t.deepEqual(bench.events(), { malformed: 2 });
    }
  });

  test(`${family}: the largest datagram, and one that is larger`, (t) => {
    const most = family === 'IPv4' ? 65_535 - 20 : 65_535;
    const large = udpFrame({ ...addresses, payload: bytesOf(most - 8) });
    const at = Array.from({ length: 45 }, (_, i) => (i + 1) * 1448);
    const bench = new Bench();
    t.deepEqual(bench.all(cut(large, { at }).reverse()), [expected(large)]);
    const last = most - (most % 8);
    t.is(bench.add(fragmentOf(whole, 0, true, bytesOf(16))), undefined);
    t.is(bench.add(fragmentOf(whole, last, false, bytesOf((most % 8) + 1))), undefined);
    t.deepEqual(bench.events(), { reassembled: 46, malformed: 2 });
  });

  test(`${family}: what is not whole in time is dropped, and its later fragments begin anew`, (t) => {
    const bench = new Bench({ timeoutMs: 5000 });
    const before = bench.reassembler.available;
    bench.add(fragments[0] as Buffer);
    bench.now += 2000;
    bench.add(otherFragments[0] as Buffer);
    bench.add(fragments[1] as Buffer);
    bench.now += 2999;
    bench.reassembler.expire(bench.now);
    t.is(bench.reassembler.size, 2);
    bench.now += 1;
    bench.reassembler.expire(bench.now);
    t.deepEqual(bench.events(), { timeout: 2 });
    t.is(bench.add(fragments[2] as Buffer), undefined);
    t.deepEqual(bench.all(otherFragments.slice(1)), [expected(other)]);
    bench.now += 5000;
    bench.reassembler.expire(bench.now);
    t.deepEqual(bench.events(), { timeout: 3, reassembled: 3 });
    t.is(bench.held(), 0);
    t.is(bench.reassembler.available, before);
  });

  test(`${family}: with as many datagrams as there may be, the oldest gives way`, (t) => {
    const bench = new Bench({ maxDatagrams: 2 });
    const third = cut(udpFrame({ ...addresses, payload: bytesOf(2000, 7) }), { at: [1448], id: 7 });
    bench.all([fragments[0], fragments[1], otherFragments[0], third[0]] as Buffer[]);
    t.deepEqual(bench.events(), { memory: 2 });
    t.is(bench.all([...otherFragments.slice(1), third[1] as Buffer]).length, 2);
    t.is(bench.held(), 0);
  });

  test(`${family}: with as much memory as there may be, the oldest gives way; one that needs it all loses itself`, (t) => {
    const bench = new Bench({ maxBytes: 128 * 1024 });
    const before = bench.reassembler.available;
    // A fragment takes 2 KiB however small it is, the first two of them.
    bench.add(fragments[0] as Buffer);
    for (let i = 0; i < 62; i++) bench.add(fragmentOf(other, 8 * (i + 1), true, bytesOf(8), { id: 9 }));
    t.deepEqual(bench.events(), {});
    t.is(bench.reassembler.available, 0);
    bench.add(fragmentOf(other, 8 * 100, true, bytesOf(8), { id: 9 }));
    t.deepEqual(bench.events(), { memory: 1 });
    bench.add(fragmentOf(other, 8 * 101, true, bytesOf(8), { id: 9 }));
    bench.add(fragmentOf(other, 8 * 102, true, bytesOf(8), { id: 9 }));
    t.deepEqual(bench.events(), { memory: 66 });
    t.is(bench.reassembler.size, 0);
    t.is(bench.reassembler.available, before);
    t.deepEqual(bench.all(fragments), [expected(whole)]);
  });

  test(`${family}: congestion met by one fragment is in the whole; where it could not be met the datagram is dropped`, (t) => {
    const withEcn = (bytes: Buffer, ecn: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[VNET + 1] = (copy[VNET + 1] as number) | (family === 'IPv4' ? ecn : ecn << 4);
      return copy;
    };
    const [ect, ce] = [2, 3];
    const marked = new Bench().all([withEcn(fragments[0] as Buffer, ect), withEcn(fragments[1] as Buffer, ce), withEcn(fragments[2] as Buffer, ect)]);
    t.deepEqual(marked, [expected(withEcn(whole, ce))]);
    const none = new Bench().all(fragments.map((bytes) => withEcn(bytes, ect)));
    t.deepEqual(none, [expected(withEcn(whole, ect))]);
    const bench = new Bench();
    t.deepEqual(bench.all([fragments[0] as Buffer, withEcn(fragments[1] as Buffer, ce), fragments[2] as Buffer]), []);
    t.deepEqual(bench.events(), { malformed: 3 });
  });
}

test('IPv4: protocols do not mix, and options of the first fragment are kept', (t) => {
  const bench = new Bench({ identification: 0xffff });
  const udp = udpFrame({ ...V4, payload: bytesOf(100), ipOptions: Buffer.from([7, 7, 4, 0, 0, 0, 0, 0]) });
  const tcp = tcpFrame({ ...V4, payload: bytesOf(100) });
  const [a, b] = [cut(udp, { at: [48] }), cut(tcp, { at: [48] })];
  t.deepEqual(bench.all([a[0], b[0], a[1], b[1]] as Buffer[]), [expected(udp, 0), expected(tcp, 1)]);
});

test('IPv6: extension headers before and behind the Fragment header', (t) => {
  const extensions: Extension[] = [[HOP_BY_HOP, PAD], [DESTINATION_OPTIONS, Buffer.alloc(14)], [ROUTING, Buffer.from([4, 0, 0, 0, 0, 0])], [DESTINATION_OPTIONS, PAD]];
  const frame = udpFrame({ ...V6, extensions, payload: bytesOf(3000) });
  for (const repeated of [8, 32, 40]) {
    const bench = new Bench();
    t.deepEqual(bench.all(cut(frame, { at: [1200, 2400], repeated }).reverse()), [frame], `${repeated} bytes repeated`);
  }
  // Hop-by-Hop is not to be behind it, another Fragment header neither, and all headers belong into the first fragment.
  const cases = {
    'Hop-by-Hop': cut(frame, { at: [1200] }),
    'another Fragment header': cut(udpFrame({ ...V6, extensions: [[FRAGMENT, Buffer.from([0, 1, 0, 0, 0, 9])]], payload: bytesOf(100) }), { at: [48] }),
    'half a chain': cut(udpFrame({ ...V6, extensions: [[DESTINATION_OPTIONS, Buffer.alloc(30)]], payload: bytesOf(100) }), { at: [16] }),
  };
  for (const [name, list] of Object.entries(cases)) {
    const bench = new Bench();
    t.deepEqual(bench.all(list.slice(0, 1)), [], name);
    t.deepEqual(bench.events(), { malformed: 1 }, name);
  }
});

test('IPv6: one that is alone is whole at once, and touches no other', (t) => {
  const frame = udpFrame({ ...V6, extensions: [[HOP_BY_HOP, PAD]], payload: bytesOf(11) });
  const atomic = cut(frame, { at: [], repeated: 8 })[0] as Buffer;
  const bench = new Bench();
  const longer = udpFrame({ ...V6, payload: bytesOf(3000) });
  const [first, last] = cut(longer, { at: [1448] }) as [Buffer, Buffer];
  t.deepEqual(bench.all([first, atomic, last]), [frame, longer]);
  t.is(checksumFault(frame), undefined);
  t.is(bench.add(fragmentOf(frame, 0, false, Buffer.alloc(4))), undefined);
  t.deepEqual(bench.events(), { reassembled: 3, malformed: 1 });
});

test('the fragments of a Linux host', (t) => {
  // Captured on a veth: 3000 bytes of x by UDP, MTU 1500.
  const addresses = 'fd000000000000000000000000000009fd000000000000000000000000000005';
  const frame = (length: string, fragment: string, rest: string): Buffer => Buffer.from('00'.repeat(VNET) + `600f2e51${length}2c40${addresses}${fragment}${rest}`, 'hex');
  const parts = [
    frame('05b0', '11000001956833cd', 'b48100360bc057c5' + '78'.repeat(1440)),
    frame('05b0', '110005a9956833cd', '78'.repeat(1448)),
    frame('0078', '11000b50956833cd', '78'.repeat(112)),
  ];
  const [whole] = new Bench().all([2, 0, 1].map((i) => parts[i] as Buffer)) as [Buffer];
  t.is(whole.subarray(VNET).toString('hex'), `600f2e510bc01140${addresses}b48100360bc057c5${'78'.repeat(3000)}`);
  t.is(checksumFault(whole), undefined);

  const again: Buffer[] = [];
  const source = makeFrame();
  source.bytes.set(whole);
  fragment6(source, whole.length, 1500, 0x956833cd | 0, (out, length) => again.push(Buffer.from(out.bytes.subarray(0, length))));
  t.deepEqual(again, parts);
});

const datagram = fc.record({
  v6: fc.boolean(),
  length: fc.integer({ min: 40, max: 5000 }),
  seed: fc.integer({ min: 1, max: 1000 }),
  edges: fc.array(fc.nat(), { maxLength: 12 }),
  order: fc.array(fc.nat(), { minLength: 13, maxLength: 13 }),
});

test('any datagrams, cut anywhere, in any order and mixed: what comes out is what went in', (t) => {
  fc.assert(
    fc.property(fc.array(datagram, { minLength: 1, maxLength: 4 }), (list) => {
      const bench = new Bench();
      const wanted: Buffer[] = [];
      const queue = list.flatMap((x, id) => {
        const frame = udpFrame({ ...(x.v6 ? V6 : V4), payload: bytesOf(x.length, x.seed) });
        const units = Math.ceil((x.length + 8) / 8) - 1;
        const at = [...new Set(x.edges.map((edge) => 8 * (1 + (edge % units))))].sort((a, b) => a - b);
        if (at.length === 0) return [];
        wanted.push(frame);
        return cut(frame, { at, id }).map((bytes, i) => ({ bytes, rank: x.order[i] as number }));
      });
      queue.sort((a, b) => a.rank - b.rank);
      const out = bench.all(queue.map(({ bytes }) => bytes));
      const plain = (frame: Buffer): string => expected(frame, 0).toString('hex');
      t.deepEqual(out.map(plain).sort(), wanted.map(plain).sort());
      t.deepEqual(out.map(checksumFault).filter((fault) => fault !== undefined), []);
      t.is(bench.held(), 0);
    }),
    { numRuns: 300 },
  );
});

test('fragments of any kind: memory comes back, every fragment is accounted for, and what comes out has no hole', (t) => {
  const content = bytesOf(600);
  const part = fc.record({ v6: fc.boolean(), id: fc.nat(2), offset: fc.nat(5), units: fc.integer({ min: 1, max: 3 }), more: fc.boolean(), odd: fc.nat(20) });
  let whole = 0;
  fc.assert(
    fc.property(fc.array(part, { minLength: 20, maxLength: 120 }), (parts) => {
      const bench = new Bench({ maxDatagrams: 4, maxBytes: 128 * 1024, timeoutMs: 50 });
      const before = bench.reassembler.available;
      for (const { v6, id, offset, units, more, odd } of parts) {
        const bytes = content.subarray(offset * 8, (offset + units) * 8 + (odd === 0 ? 3 : 0));
        // In IPv4 the first without more to come is no fragment.
        const out = bench.add(fragmentOf(udpFrame(v6 ? V6 : V4), offset * 8, more || (offset === 0 && !v6), bytes, { id }));
        bench.now += 1;
        bench.reassembler.expire(bench.now);
        if (out === undefined) continue;
        whole++;
        const payload = out.subarray(VNET + (v6 ? 40 : 20));
        t.deepEqual(payload, content.subarray(0, payload.length));
      }
      t.is(bench.held() === 0, bench.reassembler.size === 0);
      bench.reassembler.expire(bench.now + 50);
      t.deepEqual([bench.held(), bench.reassembler.size, bench.reassembler.available], [0, 0, before]);
    }),
    { numRuns: 300 },
  );
  t.true(whole > 100, `${whole} datagrams became whole`);
});

test('fragment6, then reassembly, is identity; every fragment fits', (t) => {
  const extensions = fc.constantFrom<readonly Extension[]>([], [[HOP_BY_HOP, PAD]], [[DESTINATION_OPTIONS, PAD], [ROUTING, Buffer.from([4, 0, 0, 0, 0, 0])], [DESTINATION_OPTIONS, Buffer.alloc(22)]]);
  const source = makeFrame();
  fc.assert(
    fc.property(extensions, fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1280, max: 9000 }), fc.integer(), (chain, length, mtu, id) => {
      const frame = udpFrame({ ...V6, extensions: chain, payload: bytesOf(length, id) });
      source.bytes.set(frame);
      const pieces: Buffer[] = [];
      fragment6(source, frame.length, mtu, id, (out, size) => pieces.push(Buffer.from(out.bytes.subarray(0, size))));
      if (frame.length - VNET <= mtu) return t.deepEqual(pieces, [frame]);
      t.true(pieces.length > 1 && pieces.every((piece) => piece.length - VNET <= mtu));
      t.true(pieces.slice(0, -1).every((piece) => piece.length - VNET > mtu - 8), 'and is as long as it may be');
      t.deepEqual(new Bench().all(pieces), [frame]);
    }),
    { numRuns: 150 },
  );
});

test('what does not suffice for one datagram is refused', (t) => {
  t.throws(() => new Bench({ maxDatagrams: 0 }), { instanceOf: RangeError });
  t.throws(() => new Bench({ maxBytes: 128 * 1024 - 1 }), { instanceOf: RangeError });
});
