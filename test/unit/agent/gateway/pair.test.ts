import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { LocalGateway } from '../../../../agent/gateway/local.js';
import type { KeptSockets } from '../../../../agent/gateway/kept-sockets.js';
import type { HostGateway } from '../../../../agent/host-gateway.js';
import { buildQuery, buildResponse, u16 } from '../../../support/dns.js';
import { GatewayPair } from '../../../support/gateway-pair.js';
import { openSockets } from '../../../support/open-sockets.js';
import { pollUntil } from '../../../support/poll-until.js';

// Serial: descriptors of this process are counted.

/** A local gateway with an MTU of its own, that resolves nothing. */
class Outside implements HostGateway {
  readonly real = new LocalGateway();
  listenTcp(address: string | undefined, port: number): Promise<number> {
    return this.real.listenTcp(address, port);
  }
  bindUdp(address: string | undefined, port: number): Promise<number> {
    return this.real.bindUdp(address, port);
  }
  release(): Promise<void> {
    return this.real.release();
  }
  connectTcp(host: string, port: number): Promise<number> {
    return this.real.connectTcp(host, port);
  }
  resolve(): Promise<Buffer | undefined> {
    return Promise.reject(new Error('the inner process asks by itself'));
  }
  routes(): Promise<string> {
    return this.real.routes();
  }
  underlayMtu(): Promise<number> {
    return Promise.resolve(1380);
  }
  close(): Promise<void> {
    return this.real.close();
  }
}

async function start(t: ExecutionContext, kept?: KeptSockets, dns?: { server: string; port: number }): Promise<GatewayPair> {
  const pair = await GatewayPair.start(new Outside(), [], kept, dns);
  t.teardown(() => {
    pair.child.kill('SIGKILL');
    pair.kept.closeAll();
  });
  return pair;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function readAll(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    connect(port, host)
      .on('error', reject)
      .on('data', (chunk: Buffer) => (text += chunk.toString()))
      .on('end', () => resolve(text));
  });
}

test.serial('a listening socket is the inner process\'s: it alone accepts, from the first connection on', async (t) => {
  const pair = await start(t);
  const before = openSockets();
  const port = await freePort();
  t.is(typeof (await pair.ask({ do: 'listen', port })), 'number');
  // Nobody serves yet: connections wait in the queue, and neither process takes them.
  const waiting = Array.from({ length: 20 }, () => readAll(port, '127.0.0.1'));
  await pair.ask({ do: 'serveTcp' });
  t.deepEqual(await Promise.all(waiting), waiting.map(() => 'inner'));
  t.is(await readAll(port, '::1'), 'inner');
  await pollUntil('the outer process has the kept socket open, and no connection', () => openSockets().length <= before.length + 1);
});

test.serial('a UDP socket is the inner process\'s: what arrives before it serves is not lost', async (t) => {
  const pair = await start(t);
  const port = await freePort();
  await pair.ask({ do: 'bind', port });
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  client.send('hello', port, '127.0.0.1');
  await pair.ask({ do: 'serveUdp' });
  const [data] = (await once(client, 'message')) as [Buffer];
  t.is(data.toString(), 'inner:hello');
});

test.serial('many sockets at once, each with one descriptor inside, and none outside when nobody can ask for it again', async (t) => {
  const pair = await start(t);
  const outside = openSockets().length;
  const inside = (await pair.ask({ do: 'sockets' })) as string[];
  for (let i = 0; i < 10; i++) {
    await pair.ask({ do: 'listen', port: 0 });
    await pair.ask({ do: 'bind', port: 0 });
  }
  t.is(((await pair.ask({ do: 'sockets' })) as string[]).length, inside.length + 20);
  await pollUntil('none outside', () => openSockets().length <= outside);
});

test.serial('connections to a port wait while there is no inner process, and the next one has the very same socket', async (t) => {
  const first = await start(t);
  const port = await freePort();
  await first.ask({ do: 'listen', port });
  await first.ask({ do: 'serveTcp' });
  t.is(await readAll(port, '127.0.0.1'), 'inner');
  first.child.kill('SIGKILL');
  await first.exited;
  first.kept.orphan();
  const waiting = Array.from({ length: 50 }, () => readAll(port, '127.0.0.1'));
  const second = await start(t, first.kept);
  await second.ask({ do: 'listen', port });
  await t.throwsAsync(second.ask({ do: 'listen', port }), { name: 'ListenError' }, 'twice it is not to be had');
  await second.ask({ do: 'serveTcp' });
  t.deepEqual(await Promise.all(waiting), waiting.map(() => 'inner'));
  t.deepEqual(second.kept.closeUnclaimed(), []);
});

test.serial('a port that is released is anybody\'s at once', async (t) => {
  const pair = await start(t);
  const before = openSockets().length;
  const port = await freePort();
  await pair.ask({ do: 'bind', port });
  t.is(openSockets().length, before + 1);
  await pair.ask({ do: 'release', protocol: 'udp', port });
  t.is(openSockets().length, before);
});

test.serial('a connection from outside is the inner process\'s, from its first byte on; none to be had is a ConnectError', async (t) => {
  const pair = await start(t);
  const server = createServer((socket) => socket.end('said at once')).listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.is(await pair.ask({ do: 'connect', host: 'localhost', port }), 'said at once');
  server.close();
  await once(server, 'close');
  await t.throwsAsync(pair.ask({ do: 'connect', host: '127.0.0.1', port }), { name: 'ConnectError', message: /ECONNREFUSED/ });
  await t.throwsAsync(pair.ask({ do: 'connect', host: 'no-such-host.invalid', port }), { name: 'ConnectError', message: /no-such-host\.invalid cannot be resolved/ });
});

test.serial('a port that is taken is a ListenError inside too', async (t) => {
  const pair = await start(t);
  const server = createServer().listen(0);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  await t.throwsAsync(pair.ask({ do: 'listen', port }), { name: 'ListenError', message: new RegExp(`port ${port}/tcp .* in use`) });
  await t.throwsAsync(pair.ask({ do: 'bind', address: '203.0.113.7', port }), { name: 'ListenError', message: /203\.0\.113\.7/ });
});

test.serial('the inner process asks the resolvers itself, over UDP and TCP, each time from another port', async (t) => {
  const ports = new Set<number>();
  const udp = createSocket('udp4', (query, from) => {
    ports.add(from.port);
    udp.send(buildResponse(query, ['192.0.2.1']), from.port, from.address);
  });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  t.teardown(() => udp.close());
  const { port } = udp.address();
  const tcp = createServer((socket) => socket.once('data', (data) => {
    const answer = buildResponse(data.subarray(2), ['192.0.2.2']);
    socket.end(Buffer.concat([u16(answer.length), answer]));
  }));
  tcp.listen(port, '127.0.0.1');
  await once(tcp, 'listening');
  const pair = await start(t, undefined, { server: '127.0.0.1', port });
  const query = buildQuery({ id: 7 });
  const ask = (protocol: 'udp' | 'tcp'): Promise<unknown> => pair.ask({ do: 'resolve', query: query.toString('base64'), protocol });
  for (let i = 0; i < 40; i++) t.is(await ask('udp'), buildResponse(query, ['192.0.2.1']).toString('base64'));
  t.true(ports.size > 30, `${ports.size} source ports`);
  t.is(await ask('tcp'), buildResponse(query, ['192.0.2.2']).toString('base64'));
  tcp.close();
  await once(tcp, 'close');
  t.is(await ask('tcp'), null, 'nobody there');
});

test.serial('the MTU', async (t) => {
  t.is(await (await start(t)).ask({ do: 'mtu' }), 1380);
});

test.serial('an outer process that is gone is noticed, and calls reject', async (t) => {
  const pair = await start(t);
  pair.child.disconnect();
  t.is(await pair.exited, 42);
});

test.serial('calls after close reject', async (t) => {
  const pair = await start(t);
  await t.throwsAsync(pair.ask({ do: 'close' }), { name: 'GatewayError' });
});

test.serial('an inner process killed at any moment leaves nothing open outside', async (t) => {
  const descriptors = readdirSync('/proc/self/fd').length;
  for (let i = 0; i < 3; i++) {
    const pair = await GatewayPair.start(new Outside());
    for (let n = 0; n < 8; n++) {
      const call = { method: n % 2 === 0 ? ('listenTcp' as const) : ('bindUdp' as const), port: 0 };
      pair.child.emit('message', { gateway: 'call', id: 1000 + n, call });
    }
    pair.child.kill('SIGKILL');
    await pair.exited;
  }
  await pollUntil('all is closed', () => readdirSync('/proc/self/fd').length <= descriptors);
  t.pass();
});
