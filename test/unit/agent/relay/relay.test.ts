import { once } from 'node:events';
import { openSync, closeSync, readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { listenTcp } from '../../../../kernel/netns/sockets.js';
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
  // No validation lets such a port through: Node throws on it where nobody catches.
  const fd = listenTcp(undefined, '127.0.0.1', 0);
  const fatal = connect(portOf(fd, 'tcp'), '127.0.0.1').on('error', () => undefined);
  t.teardown(() => fatal.destroy());
  await relay.publish({ ...portSpec(70_000), id: 'fatal' }, fd).catch(() => undefined);
  await pollUntil('it is reported', () => errors.length > 0);
  t.is(errors.length, 1);
  t.regex(errors[0]?.message ?? '', /the worker failed/);
  await t.throwsAsync(relay.flows(), { name: 'RelayError' });
  closeSync(listenTcp(undefined, '127.0.0.1', port));
  const spare = listenTcp(undefined, '127.0.0.1', 0);
  await t.throwsAsync(relay.publish(portSpec(target), spare), { name: 'RelayError' });
  await relay.close();
  socket.destroy();
  await pollUntil('no descriptor is left behind', () => readdirSync('/proc/self/fd').length <= before);
});

test.serial('limits leave descriptors for the rest of the agent', (t) => {
  for (const descriptors of [64, 256, 1024, 4096, 20_000, 1_048_576, Number.MAX_SAFE_INTEGER]) {
    const { maxConnections, maxSessions } = limitsFor(descriptors);
    t.true(maxConnections >= 4 && maxSessions >= 4, `${descriptors}`);
    t.true(2 * maxConnections + maxSessions <= Math.max(16, descriptors * 0.97), `${descriptors}`);
  }
  t.is(limitsFor(1_048_576).maxConnections, 16_384);
});
