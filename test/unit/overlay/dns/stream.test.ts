import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { IDLE_TIMEOUT, MAX_IN_FLIGHT, MessageSplitter, StreamConnection } from '../../../../overlay/dns/stream.js';
import type { Response } from '../../../../overlay/dns/responder.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { framed } from '../../../support/dns-net.js';
import { pollUntil } from '../../../support/poll-until.js';

/** A connection whose server side is a StreamConnection, and the client's view of it. */
async function open(t: ExecutionContext, respond: (message: Buffer) => Response): Promise<{ client: Socket; served: Socket; clock: FakeClock; received: Buffer[]; closed: () => boolean }> {
  const clock = new FakeClock();
  let served: Socket | undefined;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    t.teardown(() => socket.destroy());
    served = socket;
    new StreamConnection(socket, respond, clock);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  client.setNoDelay(true);
  client.on('error', () => undefined);
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  await once(client, 'connect');
  const received: Buffer[] = [];
  const splitter = new MessageSplitter();
  let closed = false;
  client.on('data', (chunk) => received.push(...splitter.push(chunk)));
  client.on('end', () => (closed = true));
  client.on('close', () => (closed = true));
  return { client, served: await pollUntil('the connection is accepted', () => served), clock, received, closed: () => closed };
}

function texts(messages: readonly Buffer[]): string[] {
  return messages.map((message) => message.toString());
}

test('messages are cut out of a stream wherever it is cut', (t) => {
  const stream = Buffer.concat(['one', '', 'three'].map((text) => framed(Buffer.from(text))));
  for (let size = 1; size <= stream.length; size++) {
    const splitter = new MessageSplitter();
    const messages: Buffer[] = [];
    for (let at = 0; at < stream.length; at += size) messages.push(...splitter.push(stream.subarray(at, at + size)));
    t.deepEqual(texts(messages), ['one', '', 'three'], `in pieces of ${size}`);
  }
});

test('a message of 65535 bytes, one byte at a time', (t) => {
  const splitter = new MessageSplitter();
  const stream = framed(Buffer.alloc(65535, 7));
  const messages: Buffer[] = [];
  for (const byte of stream) messages.push(...splitter.push(Buffer.of(byte)));
  t.is(messages.length, 1);
  t.true(messages[0]?.equals(stream.subarray(2)));
});

test('several queries on a connection, pipelined and one after another', async (t) => {
  const { client, received } = await open(t, (message) => message);
  client.write(Buffer.concat([framed(Buffer.from('a')), framed(Buffer.from('b'))]));
  await pollUntil('two answers', () => received.length === 2);
  client.write(framed(Buffer.from('c')));
  await pollUntil('three answers', () => received.length === 3);
  t.deepEqual(texts(received), ['a', 'b', 'c']);
});

test('an answer that takes long does not hold up the next; nothing is said where there is nothing to say', async (t) => {
  let release = (_: Buffer): void => undefined;
  const { client, received } = await open(t, (message) => {
    if (message.toString() === 'slow') return new Promise((resolve) => (release = resolve));
    return message.toString() === 'silent' ? undefined : message;
  });
  client.write(Buffer.concat(['slow', 'silent', 'fast'].map((text) => framed(Buffer.from(text)))));
  await pollUntil('the fast answer', () => received.length === 1);
  release(Buffer.from('late'));
  await pollUntil('the slow answer', () => received.length === 2);
  t.deepEqual(texts(received), ['fast', 'late']);
});

test('a client that ends its side gets its answers, then the end', async (t) => {
  const waiting: ((response: Buffer) => void)[] = [];
  const { client, served, received, closed } = await open(t, () => new Promise((resolve) => waiting.push(resolve)));
  client.end(framed(Buffer.from('q')));
  await pollUntil('the end of the queries', () => served.readableEnded && waiting.length === 1);
  t.false(closed());
  waiting[0]?.(Buffer.from('answer'));
  await pollUntil('the end', closed);
  t.deepEqual(texts(received), ['answer']);
});

test('an idle connection is ended, half a message does not keep it', async (t) => {
  const { client, served, clock, received, closed } = await open(t, (message) => message);
  client.write(framed(Buffer.from('a')));
  await pollUntil('an answer', () => received.length === 1);
  clock.advance(IDLE_TIMEOUT - 1);
  client.write(framed(Buffer.from('b')));
  await pollUntil('another', () => received.length === 2);
  clock.advance(IDLE_TIMEOUT - 1);
  t.false(closed());
  const before = served.bytesRead;
  client.write(Buffer.of(0, 200, 1));
  await pollUntil('half a message', () => served.bytesRead === before + 3);
  clock.advance(1);
  await pollUntil('the end', closed);
  t.is(received.length, 2);
});

test('a connection that waits for a resolver is not idle', async (t) => {
  let release: ((response: Buffer) => void) | undefined;
  const { client, clock, received, closed } = await open(t, () => new Promise((resolve) => (release = resolve)));
  client.write(framed(Buffer.from('a')));
  await pollUntil('the query', () => release);
  clock.advance(IDLE_TIMEOUT * 2);
  release?.(Buffer.from('answer'));
  await pollUntil('the answer', () => received.length === 1);
  t.false(closed());
  clock.advance(IDLE_TIMEOUT);
  await pollUntil('the end', closed);
  t.is(received.length, 1);
});

test('queries beyond those in flight wait, and all are answered', async (t) => {
  const waiting: (() => void)[] = [];
  let most = 0;
  const { client, received } = await open(t, (message) => {
    const answer = new Promise<Buffer>((resolve) => waiting.push(() => resolve(message)));
    most = Math.max(most, waiting.length);
    return answer;
  });
  const count = MAX_IN_FLIGHT * 3 + 5;
  client.write(Buffer.concat(Array.from({ length: count }, (_, index) => framed(Buffer.from(`${index}`)))));
  await pollUntil('the bound', () => waiting.length === MAX_IN_FLIGHT);
  await pollUntil('every answer', () => {
    for (const answer of waiting.splice(0)) answer();
    return received.length === count;
  });
  t.is(most, MAX_IN_FLIGHT);
  t.deepEqual(texts(received), Array.from({ length: count }, (_, index) => `${index}`));
});

test('a client that does not read is not read from, and is ended in time', async (t) => {
  let asked = 0;
  const answer = Buffer.alloc(60_000, 1);
  const { client, clock, received, closed } = await open(t, () => {
    asked++;
    return answer;
  });
  client.pause();
  const total = 2000;
  client.write(Buffer.concat(Array.from({ length: total }, () => framed(Buffer.from('q')))));
  let before = -1;
  await pollUntil('the server stops', () => {
    const stopped = asked > 0 && asked === before;
    before = asked;
    return stopped;
  }, { interval: 200 });
  // What the two socket buffers hold (a few megabytes), and no more: 120 MB were asked for.
  t.true(asked < total, `${asked} of ${total} were answered`);

  // It reads on: so do we.
  client.resume();
  await pollUntil('every answer', () => received.length === total, { timeout: 30_000 });

  client.pause();
  client.write(Buffer.concat(Array.from({ length: total }, () => framed(Buffer.from('q')))));
  await pollUntil('more were asked', () => asked > total);
  before = -1;
  await pollUntil('the server stops again', () => {
    const stopped = asked === before;
    before = asked;
    return stopped;
  }, { interval: 200 });
  clock.advance(IDLE_TIMEOUT);
  client.resume();
  await pollUntil('the end', closed);
  t.true(received.length < total * 2);
});

test('a client that resets the connection does no harm', async (t) => {
  const waiting: ((response: Buffer) => void)[] = [];
  const { client, served } = await open(t, () => new Promise((resolve) => waiting.push(resolve)));
  client.write(framed(Buffer.from('q')));
  await pollUntil('the query', () => waiting.length === 1);
  const written = served.bytesWritten;
  client.resetAndDestroy();
  await pollUntil('it is gone', () => served.destroyed);
  waiting[0]?.(Buffer.from('nobody reads this'));
  await new Promise((resolve) => setImmediate(resolve));
  t.is(served.bytesWritten, written);
});
