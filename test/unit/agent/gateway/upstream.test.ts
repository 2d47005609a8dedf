import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { answers, Upstream } from '../../../../agent/gateway/upstream.js';
import { buildQuery, buildResponse } from '../../../support/dns.js';
import { pollUntil } from '../../../support/poll-until.js';

const A = '127.0.0.2';
const B = '127.0.0.3';
const SERVFAIL = 2;
const NXDOMAIN = 3;
const REFUSED = 5;

type Handler = (query: Buffer, reply: (message: Buffer) => void, from: RemoteInfo) => void;

async function udpServer(t: ExecutionContext, address: string, port: number, handler: Handler): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => handler(query, (message) => socket.send(message, from.port, from.address), from));
  socket.bind(port, address);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return socket;
}

/** `chunks`: how the framed answer is cut on its way. */
async function tcpServer(t: ExecutionContext, answer: (query: Buffer) => Buffer | undefined, chunks = 1): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      t.is(data.readUInt16BE(0), data.length - 2);
      const message = answer(data.subarray(2));
      if (!message) return void socket.end();
      const framed = Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);
      const size = Math.ceil(framed.length / chunks);
      let at = 0;
      const next = (): void => {
        if (at >= framed.length) return;
        socket.write(framed.subarray(at, (at += size)), () => setImmediate(next));
      };
      next();
    });
  });
  server.listen(0, A);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

function upstream(t: ExecutionContext, servers: string[], port: number, timeout = 30_000, maxInFlight = 1024): Upstream {
  const made = new Upstream({ servers: () => servers, port, timeout, maxInFlight });
  t.teardown(() => made.close());
  return made;
}

const ok: Handler = (query, reply) => reply(buildResponse(query, ['192.0.2.1']));

test('the answer comes back with the id of the query, which went out under another', async (t) => {
  const ids = new Set<number>();
  const ports = new Set<number>();
  const server = await udpServer(t, A, 0, (query, reply, from) => {
    ids.add(query.readUInt16BE(0));
    ports.add(from.port);
    t.true(query.subarray(2).equals(buildQuery({ id: 7 }).subarray(2)), 'the rest is as given');
    ok(query, reply, from);
  });
  const client = upstream(t, [A], server.address().port);
  const query = buildQuery({ id: 7 });
  for (let i = 0; i < 20; i++) t.deepEqual(await client.resolve(query, 'udp'), buildResponse(query, ['192.0.2.1']));
  t.is(query.readUInt16BE(0), 7, 'the query is left alone');
  t.true(ids.size > 15, `${ids.size} ids`);
  t.true(ports.size > 15, `${ports.size} source ports`);
});

test('after SERVFAIL and REFUSED the next resolver is asked, NXDOMAIN is an answer', async (t) => {
  for (const [rcode, expected] of [[SERVFAIL, 0], [REFUSED, 0], [NXDOMAIN, NXDOMAIN]] as const) {
    const first = await udpServer(t, A, 0, (query, reply) => reply(buildResponse(query, [], rcode)));
    const port = first.address().port;
    await udpServer(t, B, port, ok);
    const answer = await upstream(t, [A, B], port).resolve(buildQuery(), 'udp');
    t.is((answer?.[3] ?? 0) & 15, expected);
  }
});

test('when all refuse, the refusal is the answer', async (t) => {
  const server = await udpServer(t, A, 0, (query, reply) => reply(buildResponse(query, [], REFUSED)));
  const answer = await upstream(t, [A, '127.0.0.9'], server.address().port).resolve(buildQuery({ id: 9 }), 'udp');
  t.is((answer?.[3] ?? 0) & 15, REFUSED);
  t.is(answer?.readUInt16BE(0), 9);
});

test('a resolver that is silent is passed over after the time-out, one that is not there at once', async (t) => {
  const silent = await udpServer(t, A, 0, () => undefined);
  const port = silent.address().port;
  await udpServer(t, B, port, ok);
  t.truthy(await upstream(t, [A, B], port, 500).resolve(buildQuery(), 'udp'));
  t.truthy(await upstream(t, ['127.0.0.9', B], port).resolve(buildQuery(), 'udp'));
  t.is(await upstream(t, ['127.0.0.9'], port).resolve(buildQuery(), 'udp'), undefined);
  t.is(await upstream(t, [A], port, 50).resolve(buildQuery(), 'udp'), undefined);
  t.is(await upstream(t, [], port).resolve(buildQuery(), 'udp'), undefined);
});

test('a resolver to which there is no way is passed over at once', async (t) => {
  // connect(2) itself fails, as on a host without a route: EACCES, since a broadcast address needs SO_BROADCAST.
  const there = await udpServer(t, A, 0, ok);
  const { port } = there.address();
  const response = await upstream(t, ['255.255.255.255', A], port).resolve(buildQuery(), 'udp');
  t.is((response?.[3] ?? 0) & 15, 0);
});

test('what is no answer to the question is not heard', async (t) => {
  const other = buildQuery({ name: 'evil' });
  const server = await udpServer(t, A, 0, (query, reply) => {
    const wrongId = buildResponse(query, ['192.0.2.66']);
    wrongId.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0);
    query.copy(other, 0, 0, 2);
    for (const forged of [Buffer.alloc(3), wrongId, query, buildResponse(other, ['192.0.2.66'])]) reply(forged);
    reply(buildResponse(query, ['192.0.2.1']));
  });
  const query = buildQuery();
  t.deepEqual(await upstream(t, [A], server.address().port).resolve(query, 'udp'), buildResponse(query, ['192.0.2.1']));
});

test('a datagram from another address is not heard', async (t) => {
  const stranger = await udpServer(t, B, 0, () => undefined);
  const server = await udpServer(t, A, 0, (query, reply, from) => {
    stranger.send(buildResponse(query, ['192.0.2.66']), from.port, from.address, () => reply(buildResponse(query, ['192.0.2.1'])));
  });
  const query = buildQuery();
  t.deepEqual(await upstream(t, [A], server.address().port).resolve(query, 'udp'), buildResponse(query, ['192.0.2.1']));
});

test('a truncated answer is passed on as it is', async (t) => {
  const server = await udpServer(t, A, 0, (query, reply) => {
    const message = buildResponse(query, []);
    message[2] = (message[2] ?? 0) | 0x02;
    reply(message);
  });
  const answer = await upstream(t, [A], server.address().port).resolve(buildQuery(), 'udp');
  t.is((answer?.[2] ?? 0) & 0x02, 0x02);
});

test('over TCP, an answer of 40 kB in pieces', async (t) => {
  const addresses = Array.from({ length: 2500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  const port = await tcpServer(t, (query) => buildResponse(query, addresses), 7);
  const query = buildQuery({ id: 3 });
  t.deepEqual(await upstream(t, [A], port).resolve(query, 'tcp'), buildResponse(query, addresses));
});

test('over TCP, a resolver that hangs up, talks nonsense or is not there', async (t) => {
  for (const nonsense of [undefined, buildResponse(buildQuery({ name: 'evil' }), [])]) {
    const port = await tcpServer(t, () => nonsense);
    t.is(await upstream(t, [A, '127.0.0.9'], port).resolve(buildQuery(), 'tcp'), undefined);
  }
});

test('beyond the bound a query is refused at once, and places come free', async (t) => {
  const held: (() => void)[] = [];
  const server = await udpServer(t, A, 0, (query, reply) => held.push(() => reply(buildResponse(query, []))));
  const client = upstream(t, [A], server.address().port, 30_000, 3);
  const out = [1, 2, 3].map((id) => client.resolve(buildQuery({ id }), 'udp'));
  await pollUntil('all are out', () => held.length === 3);
  t.is(await client.resolve(buildQuery(), 'udp'), undefined);
  t.is(held.length, 3);
  for (const release of held) release();
  t.true((await Promise.all(out)).every((answer, i) => answer?.readUInt16BE(0) === i + 1));
  const another = client.resolve(buildQuery(), 'udp');
  await pollUntil('it is out', () => held.length === 4);
  held[3]?.();
  t.truthy(await another);
});

test('close ends what is out', async (t) => {
  const server = await udpServer(t, A, 0, () => undefined);
  const client = upstream(t, [A, A, A], server.address().port);
  const out = client.resolve(buildQuery(), 'udp');
  client.close();
  t.is(await out, undefined);
  t.is(await client.resolve(buildQuery(), 'udp'), undefined);
});

test('what is no query is not sent', async (t) => {
  const server = await udpServer(t, A, 0, () => t.fail('sent'));
  const client = upstream(t, [A], server.address().port);
  t.is(await client.resolve(Buffer.alloc(11), 'udp'), undefined);
  t.is(await client.resolve(Buffer.alloc(65_536), 'tcp'), undefined);
});

test('a name answered in another case is the same question', (t) => {
  const query = buildQuery({ name: 'Vote' });
  t.true(answers(query, buildResponse(buildQuery({ name: 'vOTE' }), [])));
  t.false(answers(query, buildResponse(buildQuery({ name: 'vote', type: 28 }), [])));
  t.false(answers(query, buildResponse(buildQuery({ name: 'vote', class: 3 }), [])));
});

test('an error may come without the question, an answer may not', (t) => {
  const query = buildQuery();
  const bare = (rcode: number): Buffer => {
    const message = Buffer.alloc(12);
    query.copy(message, 0, 0, 2);
    message.writeUInt16BE(0x8180 | rcode, 2);
    return message;
  };
  t.true(answers(query, bare(1)));
  t.true(answers(query, bare(SERVFAIL)));
  t.false(answers(query, bare(0)));
});

test('no prefix of an answer is taken for one, and nothing throws', (t) => {
  const query = buildQuery();
  const whole = buildResponse(query, []);
  for (let length = 0; length < whole.length; length++) t.false(answers(query, whole.subarray(0, length)), `${length}`);
  for (let length = 12; length < query.length; length++) t.notThrows(() => answers(query.subarray(0, length), whole));
  t.true(answers(query, whole));
});
