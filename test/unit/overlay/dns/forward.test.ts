import test from 'ava';
import { fitResponse, Forwarder } from '../../../../overlay/dns/forward.js';
import { checkQuery } from '../../../../overlay/dns/message.js';
import type { CheckedQuery } from '../../../../overlay/dns/message.js';
import { buildQuery, buildResponse, parseResponse, u16 } from '../../../support/dns.js';
import type { QueryOptions } from '../../../support/dns.js';

function checked(options: QueryOptions = {}): CheckedQuery {
  const result = checkQuery(buildQuery({ name: 'Example.com', ...options }));
  if (result.kind !== 'query') throw new Error(result.kind);
  return result;
}

function many(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `192.0.2.${index}`);
}

const OPT = Buffer.concat([Buffer.of(0), u16(41, 1232, 0, 0, 0)]);

/** `response` with an OPT record at its end. */
function withOpt(response: Buffer): Buffer {
  const result = Buffer.concat([response, OPT]);
  result.writeUInt16BE(1, 10);
  return result;
}

test('the query goes out as it came, over the same protocol', async (t) => {
  const seen: [string, string][] = [];
  const forwarder = new Forwarder((query, protocol) => {
    seen.push([query.toString('hex'), protocol]);
    return Promise.resolve(buildResponse(query, ['192.0.2.1']));
  });
  const query = checked({ edns: {} });
  await forwarder.resolve(query, 'udp');
  await forwarder.resolve(query, 'tcp');
  t.deepEqual(seen, [[query.message.toString('hex'), 'udp'], [query.message.toString('hex'), 'tcp']]);
});

test("the response comes back as it was, under the client's id", async (t) => {
  const upstream = buildResponse(buildQuery({ id: 0x9999, name: 'Example.com' }), ['192.0.2.1'], 3);
  const response = await new Forwarder(() => Promise.resolve(upstream)).resolve(checked({ id: 0x4242 }), 'udp');
  t.is(parseResponse(response).id, 0x4242);
  t.deepEqual(response.subarray(2), upstream.subarray(2));
  t.is(upstream.readUInt16BE(0), 0x9999, 'what the resolver gave is not written to');
});

test('the name may come back in another case', async (t) => {
  const forwarder = new Forwarder(() => Promise.resolve(buildResponse(buildQuery({ name: 'eXAMPLE.COM' }), ['192.0.2.1'])));
  t.is(parseResponse(await forwarder.resolve(checked(), 'udp')).rcode, 0);
});

const UNUSABLE: [string, (query: Buffer) => Buffer | undefined][] = [
  ['nobody answered', () => undefined],
  ['less than a header', (query) => buildResponse(query, []).subarray(0, 11)],
  ['a query', (query) => query],
  ['another name', () => buildResponse(buildQuery({ name: 'example.org' }), ['192.0.2.1'])],
  ['a longer name', () => buildResponse(buildQuery({ name: 'example.com.au' }), ['192.0.2.1'])],
  ['another type', () => buildResponse(buildQuery({ name: 'example.com', type: 28 }), [])],
  ['no question and yet success', () => Buffer.concat([u16(0x1234, 0x8180, 0, 0, 0, 0)])],
  ['half a question', (query) => buildResponse(query, []).subarray(0, 16)],
];

for (const [what, upstream] of UNUSABLE) {
  test(`SERVFAIL: ${what}`, async (t) => {
    const forwarder = new Forwarder((query) => Promise.resolve(upstream(query)));
    const parsed = parseResponse(await forwarder.resolve(checked({ edns: {} }), 'udp'));
    t.is(parsed.rcode, 2);
    t.is(parsed.questions[0]?.name, 'Example.com');
    t.is(parsed.additional.length, 1, 'OPT for OPT');
    t.is(forwarder.counters().forwardsFailed, 1);
  });
}

test('SERVFAIL: the resolver function fails', async (t) => {
  const forwarder = new Forwarder(() => Promise.reject(new Error('no route')));
  t.is(parseResponse(await forwarder.resolve(checked(), 'udp')).rcode, 2);
  const throwing = new Forwarder(() => {
    throw new Error('no socket');
  });
  t.is(parseResponse(await throwing.resolve(checked(), 'udp')).rcode, 2);
  t.is(throwing.counters().forwardsPending, 0);
});

test('a resolver that could not read the query is quoted', async (t) => {
  const forwarder = new Forwarder(() => Promise.resolve(u16(0x1234, 0x8181, 0, 0, 0, 0)));
  t.is(parseResponse(await forwarder.resolve(checked(), 'udp')).rcode, 1);
});

test('at most so many at once; the next is REFUSED at once; places are given back', async (t) => {
  const waiting: (() => void)[] = [];
  const forwarder = new Forwarder((query) => new Promise((resolve) => waiting.push(() => resolve(buildResponse(query, ['192.0.2.1'])))), 3);
  const out = [1, 2, 3].map(() => forwarder.resolve(checked(), 'udp'));
  t.is(parseResponse(await forwarder.resolve(checked(), 'udp')).rcode, 5);
  t.deepEqual(forwarder.counters(), { forwarded: 3, forwardsPending: 3, forwardsFailed: 0, forwardsRefused: 1 });
  for (const answer of waiting.splice(0)) answer();
  for (const response of await Promise.all(out)) t.is(parseResponse(response).rcode, 0);
  const next = forwarder.resolve(checked(), 'udp');
  t.is(waiting.length, 1);
  waiting[0]?.();
  t.is(parseResponse(await next).rcode, 0);
  t.is(forwarder.counters().forwardsPending, 0);
});

test('1024 at once is the default', async (t) => {
  const forwarder = new Forwarder(() => new Promise(() => undefined));
  for (let i = 0; i < 1024; i++) void forwarder.resolve(checked(), 'udp');
  t.is(forwarder.counters().forwardsPending, 1024);
  t.is(parseResponse(await forwarder.resolve(checked(), 'tcp')).rcode, 5);
});

test('a response larger than the UDP client takes is cut after a record, with TC', async (t) => {
  const forwarder = new Forwarder((query) => Promise.resolve(buildResponse(query, many(100))));
  const small = await forwarder.resolve(checked(), 'udp');
  t.true(small.length <= 512 && small.length > 512 - 16);
  t.true(parseResponse(small).tc);
  const large = parseResponse(await forwarder.resolve(checked({ edns: { size: 4096 } }), 'udp'));
  t.is(large.answers.length, 100);
  t.false(large.tc);
  t.is(parseResponse(await forwarder.resolve(checked(), 'tcp')).answers.length, 100);
});

test('cutting keeps the OPT record', (t) => {
  const whole = withOpt(buildResponse(buildQuery(), many(100)));
  const parsed = parseResponse(fitResponse(whole, 512));
  t.true(parsed.tc);
  t.is(parsed.answers.length, Math.floor((512 - 12 - 10 - 11) / 16));
  t.is(parsed.additional.length, 1);
  t.is(parsed.additional[0]?.type, 41);
});

test('an OPT record that others follow is kept once', (t) => {
  const query = buildQuery();
  const whole = Buffer.concat([query, OPT, ...Array.from({ length: 40 }, () => Buffer.concat([u16(0xc00c, 1, 1, 0, 60, 4), Buffer.of(192, 0, 2, 1)]))]);
  whole.writeUInt16BE(0x8180, 2);
  whole.writeUInt16BE(41, 10);
  const parsed = parseResponse(fitResponse(whole, 512));
  t.true(parsed.tc);
  t.deepEqual(parsed.additional.map((record) => record.type), [41]);
});

test('cutting at every size gives a well-formed response within it', (t) => {
  const whole = withOpt(buildResponse(buildQuery(), many(20)));
  for (let limit = 12; limit <= whole.length; limit++) {
    const fitted = fitResponse(whole, limit);
    t.true(fitted.length <= limit);
    t.is(parseResponse(fitted).tc, limit < whole.length);
  }
});

test('a response that cannot be walked keeps its question only', (t) => {
  const broken = buildResponse(buildQuery(), many(100)).subarray(0, 700);
  const parsed = parseResponse(fitResponse(broken, 512));
  t.true(parsed.tc);
  t.is(parsed.questions.length, 1);
  t.is(parsed.answers.length, 0);
  const nothing = Buffer.concat([u16(1, 0x8180, 9, 0, 0, 0), Buffer.alloc(600, 0xff)]);
  t.is(fitResponse(nothing, 512).toString('hex'), '000183800000000000000000');
});
