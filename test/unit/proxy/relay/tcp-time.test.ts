/** What time does to connections and endpoints: silence that ends the one, ejections that end. */
import type { Socket } from 'node:net';
import test from 'ava';
import { wasReset } from '../../../support/socket-reset.js';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../../../proxy/config/snapshot.js';
import type { FlowRecord } from '../../../../proxy/dataplane/handle.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { endpoint, fullListener, greeter, Rig } from './harness.js';

const A = '127.0.0.2';
const B = '127.0.0.3';

test('the relay tells which endpoint is ejected, and for how long', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  const target = await rig.serve(B, 0, greeter('b'));
  const port = await rig.publish('tcp', target, [endpoint(A), endpoint(B)]);
  const left = (id: string): Promise<unknown> => rig.core.handle({ kind: 'ejectedFor', endpoint: id });
  t.is(await left(endpoint(A).id), 0);
  while ((await rig.counter('relay_tcp_ejections')) === 0) await rig.client(port).until('hello from b');
  t.is(await left(endpoint(A).id), 30_000);
  t.deepEqual([await left(endpoint(B).id), await left('somebody')], [0, 0]);
  clock.advance(29_900);
  t.is(await left(endpoint(A).id), 100);
  await rig.update('tcp', [endpoint(A), endpoint(B)], { scheduler: 'rr', policy: { ...DEFAULT_POLICY, ejectAfter: 0 } });
  t.is(await left(endpoint(A).id), 0, 'nothing is ejected any more');
  await rig.update('tcp', [endpoint(A), endpoint(B)], { scheduler: 'rr' });
  clock.advance(100);
  t.is(await left(endpoint(A).id), 0);
});

test('a connection silent for longer than the service allows is reset on both sides, also when it is half closed', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  const ends: string[] = [];
  let ended: Socket | undefined;
  const target = await rig.serve(A, 0, (socket) => {
    socket.write('hello');
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => (ended = socket));
    socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''));
  });
  const port = await rig.publish('tcp', target, [endpoint(A)], '127.0.0.1', undefined, { ...DEFAULT_TIMEOUTS, established: 600 });
  const open = (): Promise<number> => rig.counter('relay_tcp_open');
  const client = rig.client(port);
  const halfClosed = rig.client(port);
  await client.until('hello');
  halfClosed.socket.end('only this');
  await halfClosed.until('only this');
  await pollUntil('the endpoint sees the FIN', () => ended !== undefined);
  clock.advance(599_999);
  t.is(await open(), 2);
  client.socket.write('still here');
  await client.until('still here');
  clock.advance(1);
  t.is(await halfClosed.ended, 'ECONNRESET');
  await pollUntil('one is gone', async () => (await open()) === 1);
  // Nobody watches a socket after its FIN: the endpoint finds the reset by asking.
  await pollUntil('at the endpoint too', () => ended !== undefined && wasReset(ended));
  clock.advance(599_998);
  t.is(await open(), 1);
  clock.advance(1);
  t.is(await client.ended, 'ECONNRESET');
  await pollUntil('both are gone, at the endpoint too', async () => (await open()) === 0 && ends.length === 1);
  t.deepEqual(ends, ['ECONNRESET']);
  t.is(await rig.counter('relay_tcp_expired'), 2);
});

test('time-outs that change hold for connections that are open', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  const target = await rig.serve(A, 0, greeter('a'));
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  await client.until('hello from a');
  clock.advance(7_439_999);
  t.is(await rig.counter('relay_tcp_expired'), 0);
  await rig.update('tcp', [endpoint(A)], { scheduler: 'rr', timeouts: { ...DEFAULT_TIMEOUTS, established: 8000 } });
  clock.advance(559_999);
  t.is(await rig.counter('relay_tcp_expired'), 0);
  await rig.update('tcp', [endpoint(A)], { scheduler: 'rr', timeouts: { ...DEFAULT_TIMEOUTS, established: 60 } });
  clock.advance(0);
  t.is(await client.ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_expired'), 1);
});

test('a connection that is being opened for longer than the service allows is reset', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, { connectTimeout: 60_000 }, clock);
  const full = await fullListener(t, A);
  const port = await rig.publish('tcp', full.port, [endpoint(A)], '127.0.0.1', undefined, { ...DEFAULT_TIMEOUTS, transitory: 20 });
  const client = rig.client(port);
  await pollUntil('it is being opened', async () => ((await rig.core.handle({ kind: 'flows' })) as FlowRecord[])[0]?.state === 'opening');
  clock.advance(19_999);
  t.is(await rig.counter('relay_tcp_open'), 1);
  clock.advance(1);
  t.is(await client.ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_expired'), 1);
  t.is(await rig.counter('relay_tcp_connect_timeouts'), 0);
});
