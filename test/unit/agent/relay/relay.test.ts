import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { openSync, closeSync, readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { bindUdp, listenTcp } from '../../../../kernel/netns/sockets.js';
import { DEFAULT_POLICY } from '../../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { limitsFor } from '../../../../agent/relay/limits.js';
import { startRelay } from '../../../../agent/relay/relay.js';
import type { Relay, RelayPort } from '../../../../proxy/relay/relay.js';
import { pollUntil } from '../../../support/poll-until.js';
import { endpoint, portOf } from '../../proxy/relay/harness.js';

// Serial: descriptors of the whole process are counted.

async function echoServer(t: ExecutionContext): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  server.listen(0, '127.0.0.2');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

function portSpec(targetPort: number): RelayPort {
  return { id: 'tcp/127.0.0.1', protocol: 'tcp', service: 'vote', scheduler: 'rr', targetPort, endpoints: [endpoint('127.0.0.2')] };
}

async function published(relay: Relay, targetPort: number): Promise<number> {
  const fd = listenTcp(undefined, '127.0.0.1', 0);
  const port = portOf(fd, 'tcp');
  await relay.publish(portSpec(targetPort), fd);
  return port;
}

async function exchange(t: ExecutionContext, port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(text);
  const [data] = (await once(socket, 'data')) as [Buffer];
  t.is(data.toString(), text);
  return socket;
}

test.serial('the worker serves a descriptor made on this thread, and closes it in the end', async (t) => {
  const target = await echoServer(t);
  const relay = await startRelay();
  t.teardown(() => relay.close());
  const port = await published(relay, target);
  await exchange(t, port, 'through the worker');
  t.is((await relay.flows()).length, 1);
  t.is((await relay.counters())['relay_tcp_accepted'], 1);
  t.is(await relay.ejectedFor(endpoint('127.0.0.2').id), 0);
  await t.throwsAsync(relay.update('nope', []), { name: 'RelayError', message: /nope is not published/ });
  await relay.close();
  await relay.close();
  closeSync(listenTcp(undefined, '127.0.0.1', port));
  await t.throwsAsync(relay.flows(), { name: 'RelayError' });
});

test.serial('what the worker cannot start with is the error of startRelay', async (t) => {
  const fd = openSync('/dev/null', 'r');
  t.teardown(() => closeSync(fd));
  await t.throwsAsync(startRelay({ namespaceFd: fd }), { name: 'RelayError', message: /did not start: setns.*EINVAL/ });
});

test.serial('a worker that dies rejects its calls, reports once, and gives the port back', async (t) => {
  const target = await echoServer(t);
  const before = readdirSync('/proc/self/fd').length;
  const errors: Error[] = [];
  const relay = await startRelay({ onError: (error) => errors.push(error) });
  const port = await published(relay, target);
  const socket = await exchange(t, port, 'x');
  // No validation lets such a port through: Node throws on it where nobody catches, in the thread for UDP, and the others end with it.
  const fd = bindUdp(undefined, '127.0.0.1', 0);
  const fatal = createSocket('udp4');
  fatal.send('x', portOf(fd, 'udp'), '127.0.0.1', () => undefined);
  await relay.publish({ ...portSpec(70_000), id: 'fatal', protocol: 'udp' }, fd).catch(() => undefined);
  await pollUntil('it is reported', () => errors.length > 0);
  t.is(errors.length, 1);
  t.regex(errors[0]?.message ?? '', /the worker failed/);
  await t.throwsAsync(relay.flows(), { name: 'RelayError' });
  closeSync(listenTcp(undefined, '127.0.0.1', port));
  const spare = listenTcp(undefined, '127.0.0.1', 0);
  await t.throwsAsync(relay.publish(portSpec(target), spare), { name: 'RelayError' });
  await relay.close();
  socket.destroy();
  fatal.close();
  await pollUntil('no descriptor is left behind', () => readdirSync('/proc/self/fd').length <= before);
});

test.serial('threads share the listeners: each accepts, turns and limits are of all together', async (t) => {
  const relay = await startRelay({ threads: 3 });
  t.teardown(() => relay.close());
  const answered: string[] = [];
  let target = 0;
  for (const name of ['127.0.0.2', '127.0.0.3']) {
    const server = createServer((socket) => {
      answered.push(name);
      socket.on('error', () => undefined).pipe(socket);
    });
    server.listen(target, name);
    await once(server, 'listening');
    target = (server.address() as AddressInfo).port;
    t.teardown(() => server.close());
  }
  const fd = listenTcp(undefined, '127.0.0.1', 0);
  const port = portOf(fd, 'tcp');
  const endpoints = [endpoint('127.0.0.2'), endpoint('127.0.0.3')];
  await relay.publish({ ...portSpec(target), endpoints }, fd);
  for (let i = 0; i < 12; i++) await exchange(t, port, 'hello');
  t.deepEqual(answered, Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? '127.0.0.2' : '127.0.0.3')), 'one after the other, whichever thread it was');
  const counters = await relay.counters();
  const accepted = [0, 1, 2].map((thread) => counters[`relay_tcp_accepted_${thread}`] ?? 0);
  // One that has as many as another, or one more, takes the next.
  t.true(Math.max(...accepted) - Math.min(...accepted) <= 2, accepted.join());
  t.is(accepted.reduce((sum, count) => sum + count), 12);
  t.is(counters['relay_tcp_open'], 12);
  t.is((await relay.flows()).length, 12);
  t.is(await relay.flowsTo(parseIpv4('127.0.0.3')), 6);
  t.deepEqual(await relay.opened(), { 'tcp/127.0.0.1': 12 });
  // Each endpoint has six, so there is room for one more at each, of whichever thread.
  await relay.update('tcp/127.0.0.1', endpoints, { scheduler: 'lc', policy: { ...DEFAULT_POLICY, maxConnections: 7 } });
  for (let i = 0; i < 2; i++) await exchange(t, port, 'hello');
  t.deepEqual(answered.slice(12).sort(), ['127.0.0.2', '127.0.0.3']);
  const refused = connect(port, '127.0.0.1');
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  t.is(error.code, 'ECONNRESET');
  t.is((await relay.counters())['relay_tcp_refused_no_endpoint'], 1);
});

test.serial('a port for which no descriptor is left is not published, and can be later', async (t) => {
  const target = await echoServer(t);
  const relay = await startRelay({ threads: 2 });
  t.teardown(() => relay.close());
  const gone = listenTcp(undefined, '127.0.0.1', 0);
  closeSync(gone);
  await t.throwsAsync(relay.publish(portSpec(target), gone), { message: /EBADF/ });
  await exchange(t, await published(relay, target), 'published after all');
});

test.serial('limits leave descriptors for the rest of the agent', (t) => {
  for (const descriptors of [64, 256, 1024, 4096, 20_000, 1_048_576, Number.MAX_SAFE_INTEGER]) {
    const { maxConnections, maxSessions } = limitsFor(descriptors);
    t.true(maxConnections >= 4 && maxSessions >= 4, `${descriptors}`);
    t.true(2 * maxConnections + maxSessions <= Math.max(16, descriptors * 0.97), `${descriptors}`);
  }
  t.is(limitsFor(1_048_576).maxConnections, 16_384);
});
