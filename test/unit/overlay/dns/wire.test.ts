import test from 'ava';
import { checkQuery } from '../../../../overlay/dns/message.js';
import type { CheckedQuery } from '../../../../overlay/dns/message.js';
import type { Answer } from '../../../../overlay/dns/record.js';
import { decodeQuestion, encodeAnswer, encodeFailure, encodeRejection, refusalOf, responseLimit, UDP_SIZE } from '../../../../overlay/dns/wire.js';
import { buildQuery, parseResponse } from '../../../support/dns.js';
import type { QueryOptions } from '../../../support/dns.js';

function checked(options: QueryOptions = {}): CheckedQuery {
  const result = checkQuery(buildQuery(options));
  if (result.kind !== 'query') throw new Error(result.kind);
  return result;
}

function addresses(count: number): Answer {
  return {
    rcode: 0,
    authoritative: true,
    answers: Array.from({ length: count }, (_, index) => ({ type: 1, ttl: 600, address: `10.0.${index >> 8}.${index & 255}` })),
  };
}

test('the question is decoded', (t) => {
  t.deepEqual(decodeQuestion(checked({ name: 'VoTe.overlay1', type: 28, class: 1 })), { name: 'VoTe.overlay1', type: 28, class: 1 });
  t.deepEqual(decodeQuestion(checked({ name: '', type: 2, class: 255 })), { name: '', type: 2, class: 255 });
});

test('an answer, byte for byte', (t) => {
  const { response, truncated } = encodeAnswer(checked({ name: 'vote' }), { rcode: 0, authoritative: true, answers: [{ type: 1, ttl: 600, address: '10.0.1.2' }] }, 512);
  t.is(response.toString('hex'), ['1234', '8580', '0001000100000000', '04766f746500', '00010001', 'c00c', '00010001', '00000258', '0004', '0a000102'].join(''));
  t.false(truncated);
});

test('addresses of both families, byte for byte', (t) => {
  const answers = [{ type: 1, ttl: 600, address: '10.0.1.2' }, { type: 28, ttl: 600, address: 'fd00:1::ff02:0:2' }] as const;
  const { response, truncated } = encodeAnswer(checked({ name: 'vote', type: 255 }), { rcode: 0, authoritative: true, answers }, 512);
  const records = ['c00c', '00010001', '00000258', '0004', '0a000102', 'c00c', '001c0001', '00000258', '0010', 'fd00000100000000', '0000ff0200000002'];
  t.is(response.toString('hex'), ['1234', '8580', '0001000200000000', '04766f746500', '00ff0001', ...records].join(''));
  t.false(truncated);
});

test('a PTR answer', (t) => {
  const query = checked({ name: '6.1.0.10.in-addr.arpa', type: 12 });
  const { response } = encodeAnswer(query, { rcode: 0, authoritative: true, answers: [{ type: 12, ttl: 600, target: 'vote.2.0000000000a1.overlay1.' }] }, 512);
  const { answers } = parseResponse(response);
  t.deepEqual(answers.map(({ name, type, class: cls, ttl, text }) => ({ name, type, cls, ttl, text })), [
    { name: '6.1.0.10.in-addr.arpa', type: 12, cls: 1, ttl: 600, text: 'vote.2.0000000000a1.overlay1.' },
  ]);
});

test("the client's spelling, id, RD and CD come back; AD and the reserved bit do not", (t) => {
  const query = checked({ id: 0xbeef, flags: 0x0170, name: 'vOtE.OVERLAY1' });
  const { response } = encodeAnswer(query, addresses(1), 512);
  const parsed = parseResponse(response);
  t.is(parsed.id, 0xbeef);
  t.is(parsed.questions[0]?.name, 'vOtE.OVERLAY1');
  t.is(parsed.answers[0]?.name, 'vOtE.OVERLAY1');
  t.is(response.readUInt16BE(2), 0x8590);
  t.is(parseResponse(encodeAnswer(checked({ flags: 0 }), addresses(1), 512).response).rd, false);
});

test('a question of odd bytes comes back as it was', (t) => {
  const message = Buffer.concat([buildQuery({ name: '' }).subarray(0, 12), Buffer.from('04612e0062 00 00010001'.replaceAll(' ', ''), 'hex')]);
  const query = checkQuery(message);
  if (query.kind !== 'query') return t.fail(query.kind);
  const response = encodeFailure(query, 3);
  t.deepEqual(response.subarray(12), message.subarray(12));
  t.is(response.length, message.length);
});

test('OPT is answered with OPT: our size, version 0, the DO bit as it was', (t) => {
  const { response } = encodeAnswer(checked({ edns: { size: 1400, flags: 0x8000 } }), addresses(1), 512);
  const [opt, ...others] = parseResponse(response).additional;
  t.deepEqual(others, []);
  t.is(opt?.type, 41);
  t.is(opt?.name, '');
  t.is(opt?.class, UDP_SIZE);
  t.is(opt?.ttl, 0x8000);
  t.is(opt?.data.length, 0);
  t.deepEqual(parseResponse(encodeAnswer(checked(), addresses(1), 512).response).additional, []);
});

test('an EDNS version other than 0 is BADVERS', (t) => {
  const query = checked({ edns: { version: 1 } });
  t.is(refusalOf(query), 16);
  const parsed = parseResponse(encodeFailure(query, 16));
  t.is(parsed.rcode, 0, 'the lower bits');
  t.is(parsed.additional[0]?.ttl, 0x01000000, 'the upper bits, and version 0');
  t.is(refusalOf(checked({ edns: {} })), undefined);
  t.is(refusalOf(checked()), undefined);
});

test('how much fits', (t) => {
  t.is(responseLimit(checked(), 'udp'), 512);
  t.is(responseLimit(checked({ edns: { size: 0 } }), 'udp'), 512);
  t.is(responseLimit(checked({ edns: { size: 1232 } }), 'udp'), 1232);
  t.is(responseLimit(checked({ edns: { size: 65535 } }), 'udp'), 4096);
  t.is(responseLimit(checked(), 'tcp'), 65535);
});

for (const edns of [undefined, { size: 512 }]) {
  test(`whole records only, and TC when one is left out${edns ? ' (EDNS)' : ''}`, (t) => {
    const query = checked({ name: 'dv', ...(edns && { edns }) });
    const fixed = 12 + 4 + 4 + (edns ? 11 : 0);
    const most = Math.floor((512 - fixed) / 16);
    for (const count of [0, 1, most, most + 1, 50]) {
      const { response, truncated } = encodeAnswer(query, addresses(count), 512);
      const parsed = parseResponse(response);
      t.true(response.length <= 512);
      t.is(parsed.answers.length, Math.min(count, most));
      t.is(parsed.tc, count > most);
      t.is(truncated, count > most);
      t.is(parsed.additional.length, edns ? 1 : 0);
    }
  });
}

test('a thousand tasks over TCP', (t) => {
  const { response } = encodeAnswer(checked({ name: 'dv' }), addresses(1000), 65535);
  const parsed = parseResponse(response);
  t.is(new Set(parsed.answers.map((record) => record.text)).size, 1000);
  t.false(parsed.tc);
});

test('a rejection holds nothing that the message did not prove', (t) => {
  t.is(encodeRejection(Buffer.from('abcd2901', 'hex'), 4).toString('hex'), 'abcda9840000000000000000');
  t.is(encodeRejection(Buffer.from('abcd0110ffff', 'hex'), 1).toString('hex'), 'abcd81910000000000000000');
});
