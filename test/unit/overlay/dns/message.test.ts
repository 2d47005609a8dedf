import test from 'ava';
import { checkQuery, walkRecords } from '../../../../overlay/dns/message.js';
import { buildQuery, buildResponse, nameBytes, u16 } from '../../../support/dns.js';
import { bytesOf, MALFORMED } from './malformed.js';

const VERDICTS = { drop: { kind: 'drop' }, FORMERR: { kind: 'reject', rcode: 1 }, NOTIMP: { kind: 'reject', rcode: 4 } } as const;

for (const { what, hex, verdict } of MALFORMED) {
  test(`${what}: ${verdict}`, (t) => {
    t.deepEqual(checkQuery(bytesOf(hex)), VERDICTS[verdict]);
  });
}

test('a plain query', (t) => {
  const message = buildQuery({ name: 'vote.overlay1' });
  t.deepEqual(checkQuery(message), { kind: 'query', message, questionEnd: message.length, edns: undefined });
});

test('a query for the root', (t) => {
  t.is(checkQuery(buildQuery({ name: '' })).kind, 'query');
});

test('labels of 63 and names of 255 bytes are the most', (t) => {
  const label = 'a'.repeat(63);
  t.is(checkQuery(buildQuery({ name: `${label}.${label}.${label}.${'a'.repeat(61)}` })).kind, 'query');
  t.is(checkQuery(buildQuery({ name: `${label}.${label}.${label}.${'a'.repeat(62)}` })).kind, 'reject');
});

test('the OPT record is read', (t) => {
  const message = buildQuery({ edns: { size: 4000, version: 3, flags: 0x8000, options: Buffer.concat([u16(10, 8), Buffer.alloc(8, 1), u16(3, 0)]) } });
  const checked = checkQuery(message);
  if (checked.kind !== 'query') return t.fail(checked.kind);
  t.deepEqual(checked.edns, { udpSize: 4000, version: 3, dnssecOk: true });
  t.is(checked.questionEnd, 12 + 6 + 4);
  t.is(checked.message.length, message.length);
});

test('bytes after the message are no part of it', (t) => {
  const message = buildQuery({ edns: {} });
  const checked = checkQuery(Buffer.concat([message, Buffer.from('junk')]));
  if (checked.kind !== 'query') return t.fail(checked.kind);
  t.deepEqual(checked.message, message);
});

test('truncated in every byte: FORMERR when there is an id to answer, else nothing', (t) => {
  const whole = buildQuery({ name: 'vote.overlay1', edns: { options: Buffer.concat([u16(10, 8), Buffer.alloc(8, 1)]) } });
  for (let length = 0; length < whole.length; length++) {
    const expected = length < 4 ? VERDICTS.drop : VERDICTS.FORMERR;
    t.deepEqual(checkQuery(whole.subarray(0, length)), expected, `${length} of ${whole.length} bytes`);
  }
  t.is(checkQuery(whole).kind, 'query');
});

test('records are walked section by section, names by pointer included', (t) => {
  const query = buildQuery();
  const response = buildResponse(query, ['1.2.3.4', '5.6.7.8']);
  const spans = walkRecords(response, query.length);
  t.deepEqual(spans?.map(({ section, type, start, end }) => ({ section, type, size: end - start })), [
    { section: 'answer', type: 1, size: 16 },
    { section: 'answer', type: 1, size: 16 },
  ]);
  t.is(spans?.at(-1)?.end, response.length);
  for (let length = query.length; length < response.length; length++) t.is(walkRecords(response.subarray(0, length), query.length), undefined);
});

test('a query as large as TCP allows takes no time that grows faster than its length', (t) => {
  // 65535 bytes of records with the shortest possible form: the most that the check ever has to walk.
  const record = Buffer.concat([Buffer.of(0), u16(1, 1, 0, 0, 0)]);
  const count = Math.floor((65535 - 12 - nameBytes('vote').length - 4) / record.length);
  const message = Buffer.concat([u16(1, 0x100, 1, 0, 0, count), nameBytes('vote'), u16(1, 1), ...Array.from({ length: count }, () => record)]);
  const started = performance.now();
  t.is(checkQuery(message).kind, 'query');
  t.true(performance.now() - started < 1000);
});
