import test from 'ava';
import { LoadError, responseLength } from '../../../../perf/bench/load/client.js';
import { connectionLimit } from '../../../../perf/bench/limits.js';

const response = (head: string): Uint8Array => Buffer.from(`HTTP/1.1 200 OK\r\nServer: x\r\n${head}\r\n\r\nabcde`);

test('the length of a response is its head and its body', (t) => {
  const bytes = response('Content-Length: 5');
  t.is(responseLength(bytes, bytes.length), bytes.length);
  t.is(responseLength(bytes, 20), 0, 'a head that is not complete');
  t.is(responseLength(response('content-length:1000'), bytes.length), bytes.length - 5 + 1000 + '1000'.length - '5'.length - 1);
});

test('only what was expected is measured', (t) => {
  const refused = Buffer.from('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n');
  t.throws(() => responseLength(refused, refused.length), { instanceOf: LoadError, message: /HTTP\/1\.1 503/ });
  t.throws(() => responseLength(response('X: 1'), 200), { instanceOf: LoadError });
});

test('connections that a process may have: two descriptors each, some kept back', (t) => {
  t.is(connectionLimit(20_000), 9500);
  t.is(connectionLimit(1_048_576), 131_072);
  t.is(connectionLimit(500), 1);
});
