import test from 'ava';
import fc from 'fast-check';
import { chunks, dataFrame, FrameError, MAX_CHUNK, parseClientMessage, parseDataFrame, parseServerMessage, STDERR, STDIN, STDOUT } from '../../../../agent/api/frames.js';

test('a data frame is the channel and the bytes', (t) => {
  t.deepEqual(dataFrame(STDERR, Buffer.from('ab')), Buffer.from([2, 97, 98]));
  t.deepEqual(parseDataFrame(Buffer.from([1])), { channel: STDOUT, bytes: Buffer.alloc(0) });
  t.throws(() => parseDataFrame(Buffer.from([3, 1])), { instanceOf: FrameError });
  t.throws(() => parseDataFrame(Buffer.alloc(0)), { instanceOf: FrameError });
});

test('every data frame reads back as it was', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(STDIN, STDOUT, STDERR), fc.uint8Array(), (channel, bytes) => {
      const { channel: read, bytes: data } = parseDataFrame(dataFrame(channel, bytes));
      return read === channel && data.equals(bytes);
    }),
  );
  t.pass();
});

test('chunks cover the bytes, in order, none too long', (t) => {
  const bytes = Buffer.from(Array.from({ length: 2 * MAX_CHUNK + 5 }, (_, i) => i % 251));
  const pieces = [...chunks(bytes)];
  t.deepEqual(pieces.map(({ length }) => length), [MAX_CHUNK, MAX_CHUNK, 5]);
  t.true(Buffer.concat(pieces).equals(bytes));
  t.deepEqual([...chunks(Buffer.alloc(0))], []);
});

test('messages of a client', (t) => {
  t.deepEqual(parseClientMessage('{"type":"start","request":{"a":1},"more":1}'), { type: 'start', request: { a: 1 } });
  t.deepEqual(parseClientMessage('{"type":"resize","size":{"columns":80,"rows":24}}'), { type: 'resize', size: { columns: 80, rows: 24 } });
  t.deepEqual(parseClientMessage('{"type":"signal","signal":"SIGINT"}'), { type: 'signal', signal: 'SIGINT' });
  t.deepEqual(parseClientMessage('{"type":"stdin-end"}'), { type: 'stdin-end' });
  for (const bad of [
    '', 'null', '[]', '"x"', '{}', '{"type":"exit","code":0}', '{"type":"signal","signal":"SIGFOO"}', '{"type":"signal","signal":"toString"}',
    '{"type":"resize"}', '{"type":"resize","size":{"columns":0,"rows":1}}', '{"type":"resize","size":{"columns":80,"rows":65536}}', '{"type":"resize","size":{"columns":1.5,"rows":2}}',
  ]) {
    t.throws(() => parseClientMessage(bad), { instanceOf: FrameError }, bad);
  }
});

test('messages of an agent', (t) => {
  t.deepEqual(parseServerMessage('{"type":"started","taskId":"abc"}'), { type: 'started', taskId: 'abc' });
  t.deepEqual(parseServerMessage('{"type":"consumed","bytes":7}'), { type: 'consumed', bytes: 7 });
  t.deepEqual(parseServerMessage('{"type":"exit","code":3}'), { type: 'exit', code: 3 });
  t.deepEqual(parseServerMessage('{"type":"error","error":{"code":"invalid","message":"m"}}'), { type: 'error', error: { code: 'invalid', message: 'm' } });
  for (const bad of ['{"type":"exit","code":"3"}', '{"type":"error","error":"x"}', '{"type":"start"}']) t.throws(() => parseServerMessage(bad), { instanceOf: FrameError }, bad);
});

test('no text makes the parsers throw anything but a FrameError', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      for (const parse of [parseClientMessage, parseServerMessage]) {
        try {
          parse(text);
        } catch (error) {
          if (!(error instanceof FrameError)) return false;
        }
      }
      return true;
    }),
  );
  t.pass();
});
