import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { bindUdp } from '../../../../kernel/netns/sockets.js';
import { DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import { QUIET_MS, type FlowRecord } from '../../../../proxy/dataplane/handle.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { endpoint, Rig } from './harness.js';

const A = '127.0.0.2';
const B = '127.0.0.3';

/** A client of the published port: what it got, in order. */
async function client(t: ExecutionContext, port: number, type: 'udp4' | 'udp6' = 'udp4') {
  const socket = createSocket(type);
  const got: Buffer[] = [];
  socket.on('message', (data) => got.push(data));
  socket.connect(port, type === 'udp4' ? '127.0.0.1' : '::1');
  await once(socket, 'connect');
  t.teardown(() => socket.close());
  const ask = async (text: string): Promise<string> => {
    const before = got.length;
    socket.send(text);
    await pollUntil(`an answer to ${text}`, () => got.length > before);
    return got.at(-1)?.toString() ?? '';
  };
  return { socket, got, ask };
}

const echo = (name: string) => (data: Buffer, reply: (data: Buffer) => void) => reply(Buffer.from(`${name}:${data.toString()}`));

test('a client stays with its endpoint, another client gets the next', async (t) => {
  const rig = new Rig(t);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  await rig.serveUdp(B, target, echo('b'));
  const port = await rig.publish('udp', target, [endpoint(A), endpoint(B)]);
  const one = await client(t, port);
  const two = await client(t, port);
  const first = (await one.ask('1')).slice(0, 1);
  const second = (await two.ask('1')).slice(0, 1);
  t.deepEqual([first, second].sort(), ['a', 'b']);
  for (let i = 2; i < 6; i++) t.is(await one.ask(`${i}`), `${first}:${i}`);
  t.is(await rig.counter('relay_udp_sessions'), 2);
  const flows = (await rig.core.handle({ kind: 'flows' })) as FlowRecord[];
  t.is(flows.length, 2);
  t.like(flows.find((flow) => flow.client === `127.0.0.1:${one.socket.address().port}`), {
    network: 'ingress',
    protocol: 'udp',
    vip: `127.0.0.1:${port}`,
    state: 'udp',
    path: 'relay',
    bytesIn: 5,
    bytesOut: 15,
  });
  t.is(await rig.core.handle({ kind: 'flowsTo', address: parseIpv4(A) }), 1);
});

test('a drain does not wait for a client that is silent', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  const { ask } = await client(t, await rig.publish('udp', target, [endpoint(A)]));
  const flowsTo = (): Promise<unknown> => rig.core.handle({ kind: 'flowsTo', address: parseIpv4(A) });
  await ask('1');
  clock.advance(QUIET_MS - 1);
  t.is(await flowsTo(), 1);
  clock.advance(1);
  t.is(await flowsTo(), 0);
  t.is(((await rig.core.handle({ kind: 'flows' })) as FlowRecord[]).length, 1, 'it is there all the same');
  await ask('2');
  t.is(await flowsTo(), 1);
});

test('a burst before the session is open arrives whole and in order', async (t) => {
  const rig = new Rig(t);
  const got: string[] = [];
  const target = (await rig.serveUdp(A, 0, (data) => got.push(data.toString()))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)]);
  const { socket } = await client(t, port);
  const sent = Array.from({ length: 40 }, (_, i) => `${i}`);
  for (const text of sent) socket.send(text);
  await pollUntil('all are there', () => got.length === sent.length);
  t.deepEqual(got, sent);
});

test('datagrams of every size up to 65507 bytes, an empty one too', async (t) => {
  const rig = new Rig(t);
  const target = (await rig.serveUdp(A, 0, (data, reply) => reply(data))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)]);
  const { socket, got } = await client(t, port);
  for (const size of [0, 1, 1472, 1473, 65_507]) {
    const data = randomBytes(size);
    const before = got.length;
    socket.send(data);
    await pollUntil(`${size} bytes come back`, () => got.length > before);
    t.true(got.at(-1)?.equals(data), `${size}`);
  }
});

test('the next datagram after an endpoint is gone goes to a live one', async (t) => {
  const rig = new Rig(t);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  await rig.serveUdp(B, target, echo('b'));
  const port = await rig.publish('udp', target, [endpoint(A)]);
  const { ask } = await client(t, port);
  t.is(await ask('1'), 'a:1');
  await rig.update('udp', [endpoint(A, 0), endpoint(B)]);
  t.is(await ask('2'), 'a:2', 'draining goes on');
  await rig.update('udp', [endpoint(B)]);
  t.is(await ask('3'), 'b:3');
  t.is(await rig.counter('relay_udp_sessions'), 1, 'the same session');
  t.is(await rig.counter('relay_udp_endpoint_gone'), 1);
});

test('an endpoint that refuses is counted, the port goes on, the next datagram goes elsewhere', async (t) => {
  const rig = new Rig(t);
  const dead = await rig.serveUdp(A, 0, echo('a'));
  const target = dead.address().port;
  await rig.serveUdp(B, target, echo('b'));
  dead.close();
  const port = await rig.publish('udp', target, [endpoint(A), endpoint(B)]);
  // Two clients: whoever gets A first, somebody does.
  const clients = [await client(t, port), await client(t, port)];
  for (const { socket, got } of clients) {
    await pollUntil('an answer from b', () => {
      socket.send('x');
      return got.length > 0;
    });
    t.is(got[0]?.toString(), 'b:x');
  }
  t.true((await rig.counter('relay_udp_refused')) >= 1);
});

test('without an endpoint datagrams are dropped and counted, and nothing is kept', async (t) => {
  const rig = new Rig(t);
  const port = await rig.publish('udp', 9, []);
  const { socket } = await client(t, port);
  socket.send('x');
  await pollUntil('it is counted', async () => (await rig.counter('relay_udp_dropped_no_endpoint')) === 1);
  t.is(await rig.counter('relay_udp_open'), 0);
});

test('an idle session ends, and its client starts anew', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)]);
  const { ask } = await client(t, port);
  await ask('1');
  clock.advance(299_999);
  t.is(await rig.counter('relay_udp_open'), 1);
  clock.advance(1);
  t.is(await rig.counter('relay_udp_open'), 0);
  t.is(await rig.counter('relay_udp_expired'), 1);
  t.deepEqual(await rig.core.handle({ kind: 'flows' }), []);
  t.is(await ask('2'), 'a:2');
  t.is(await rig.counter('relay_udp_sessions'), 2);
});

test('the service says how long a session may be silent, and may say something else later', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)], '127.0.0.1', undefined, { ...DEFAULT_TIMEOUTS, udp: 400 });
  const { ask } = await client(t, port);
  const open = (): Promise<number> => rig.counter('relay_udp_open');
  await ask('1');
  clock.advance(399_999);
  t.is(await open(), 1);
  clock.advance(1);
  t.is(await open(), 0);
  await ask('2');
  clock.advance(200_000);
  await rig.update('udp', [endpoint(A)]);
  t.is(await open(), 1, 'what is not said stays');
  await rig.update('udp', [endpoint(A)], { scheduler: 'rr', timeouts: { ...DEFAULT_TIMEOUTS, udp: 250 } });
  clock.advance(49_999);
  t.is(await open(), 1);
  clock.advance(1);
  t.is(await open(), 0);
  t.is(await rig.counter('relay_udp_expired'), 2);
});

test('beyond the bound the session idle for longest makes room', async (t) => {
  const rig = new Rig(t, { maxSessions: 2 });
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)]);
  const [one, two, three] = [await client(t, port), await client(t, port), await client(t, port)];
  await one.ask('1');
  await two.ask('1');
  await one.ask('2');
  await three.ask('1');
  const local = (socket: Socket): string => `127.0.0.1:${socket.address().port}`;
  const flows = (await rig.core.handle({ kind: 'flows' })) as FlowRecord[];
  t.deepEqual(flows.map((flow) => flow.client).sort(), [local(one.socket), local(three.socket)].sort());
  t.is(await rig.counter('relay_udp_evicted'), 1);
});

test('IPv4 and IPv6 clients on a dual-stack socket', async (t) => {
  const rig = new Rig(t);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)], '::');
  t.is(await (await client(t, port)).ask('four'), 'a:four');
  t.is(await (await client(t, port, 'udp6')).ask('six'), 'a:six');
});

test('unpublish frees the port', async (t) => {
  const rig = new Rig(t);
  const target = (await rig.serveUdp(A, 0, echo('a'))).address().port;
  const port = await rig.publish('udp', target, [endpoint(A)]);
  const { ask } = await client(t, port);
  await ask('1');
  await rig.core.handle({ kind: 'unpublish', id: 'udp' });
  closeSync(bindUdp(undefined, '127.0.0.1', port));
  t.is(await rig.counter('relay_udp_open'), 0);
});
