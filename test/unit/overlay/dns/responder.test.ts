import test from 'ava';
import { Forwarder } from '../../../../overlay/dns/forward.js';
import { Responder } from '../../../../overlay/dns/responder.js';
import { compileZone } from '../../../../overlay/dns/zone.js';
import { back, buildQuery, buildResponse, overlay1, parseResponse, viewOf } from '../../../support/dns.js';
import type { ParsedResponse, QueryOptions } from '../../../support/dns.js';
import { bytesOf, MALFORMED } from './malformed.js';

function setUp(internal = false): { responder: Responder; forwarded: Buffer[]; ask: (options?: QueryOptions, protocol?: 'udp' | 'tcp') => Promise<ParsedResponse> } {
  const forwarded: Buffer[] = [];
  const forwarder = new Forwarder((query) => {
    forwarded.push(query);
    return Promise.resolve(buildResponse(query, ['192.0.2.1']));
  });
  const responder = new Responder(forwarder, Math.random);
  const zone = compileZone(viewOf(overlay1({ internal, dnsrr: 50 }), back(internal)));
  const ask = async (options: QueryOptions = {}, protocol: 'udp' | 'tcp' = 'udp'): Promise<ParsedResponse> => {
    const response = await responder.respond(buildQuery(options), protocol, zone);
    if (!response) throw new Error('no response');
    return parseResponse(response);
  };
  return { responder, forwarded, ask };
}

test('our names are answered without asking anybody', async (t) => {
  const { responder, forwarded, ask } = setUp();
  const parsed = await ask({ name: 'VOTE.overlay1' });
  t.like(parsed, { id: 0x1234, qr: true, aa: true, tc: false, rd: true, ra: true, rcode: 0 });
  t.deepEqual(parsed.answers.map((record) => record.text), ['10.0.1.2']);
  t.deepEqual(forwarded, []);
  t.like(responder.counters(), { queriesUdp: 1, queriesTcp: 0, answered: 1, forwarded: 0 });
});

test('AAAA of our name: NOERROR and empty', async (t) => {
  const { ask } = setUp();
  t.like(await ask({ name: 'vote', type: 28 }), { rcode: 0, aa: true, answers: [], authority: [] });
});

test('unknown names are forwarded, ours that do not exist are not', async (t) => {
  const { responder, forwarded, ask } = setUp();
  t.like(await ask({ name: 'example.com' }), { rcode: 0, aa: false });
  t.like(await ask({ name: 'nobody' }), { rcode: 0 });
  t.is(forwarded.length, 2);
  for (const name of ['tasks.nobody', 'nobody.overlay1', 'nobody.back']) t.like(await ask({ name }), { rcode: 3, aa: true });
  t.is(forwarded.length, 2);
  t.like(responder.counters(), { forwarded: 2, nameErrors: 3, blocked: 0 });
});

test('internal networks: NXDOMAIN, counted, nothing leaves', async (t) => {
  const { responder, forwarded, ask } = setUp(true);
  t.like(await ask({ name: 'example.com' }), { rcode: 3, aa: false });
  t.like(await ask({ name: '8.8.8.8.in-addr.arpa', type: 12 }), { rcode: 3 });
  t.like(await ask({ name: 'vote' }), { rcode: 0 });
  t.deepEqual(forwarded, []);
  t.like(responder.counters(), { blocked: 2, forwarded: 0 });
});

test('other classes and zone transfers are not implemented, and not forwarded', async (t) => {
  const { responder, forwarded, ask } = setUp();
  t.like(await ask({ name: 'version.bind', type: 16, class: 3 }), { rcode: 4 });
  t.like(await ask({ name: 'vote', class: 255 }), { rcode: 4 });
  t.like(await ask({ name: 'example.com', type: 252 }, 'tcp'), { rcode: 4 });
  t.like(await ask({ name: 'example.com', type: 251 }), { rcode: 4 });
  t.deepEqual(forwarded, []);
  t.is(responder.counters().notImplemented, 4);
});

test('an EDNS version that nobody speaks is refused before anything else', async (t) => {
  const { forwarded, ask } = setUp();
  for (const name of ['vote', 'example.com']) t.is((await ask({ name, edns: { version: 1 } })).additional[0]?.ttl, 0x01000000);
  t.deepEqual(forwarded, []);
});

test('fifty tasks: cut to 512 bytes over UDP, whole with EDNS or over TCP', async (t) => {
  const { responder, ask } = setUp();
  const cut = await ask({ name: 'dv' });
  t.true(cut.tc);
  t.is(cut.answers.length, 30);
  t.like(await ask({ name: 'dv', edns: { size: 1232 } }), { tc: false });
  const whole = await ask({ name: 'dv' }, 'tcp');
  t.false(whole.tc);
  t.is(new Set(whole.answers.map((record) => record.text)).size, 50);
  t.like(responder.counters(), { truncated: 1, queriesTcp: 1, queriesUdp: 2 });
});

test('malformed queries get FORMERR, NOTIMP or nothing, and are counted', (t) => {
  const { responder, forwarded } = setUp();
  const zone = compileZone(viewOf(overlay1()));
  const expected = { drop: 0, FORMERR: 0, NOTIMP: 0 };
  for (const { what, hex, verdict } of MALFORMED) {
    expected[verdict]++;
    const message = bytesOf(hex);
    const response = responder.respond(message, 'udp', zone);
    if (verdict === 'drop') {
      t.is(response, undefined, what);
      continue;
    }
    if (!Buffer.isBuffer(response)) return t.fail(what);
    const parsed = parseResponse(response);
    t.is(parsed.rcode, verdict === 'FORMERR' ? 1 : 4, what);
    t.is(parsed.id, message.readUInt16BE(0), what);
    t.is(parsed.opcode, (message.readUInt16BE(2) >> 11) & 15, what);
  }
  t.deepEqual(forwarded, []);
  t.like(responder.counters(), { dropped: expected.drop, malformed: expected.FORMERR, notImplemented: expected.NOTIMP, queriesUdp: MALFORMED.length });
});
