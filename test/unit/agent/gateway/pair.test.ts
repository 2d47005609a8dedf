import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { LocalGateway } from '../../../../agent/gateway/local.js';
import type { HostGateway } from '../../../../agent/host-gateway.js';
import { buildQuery } from '../../../support/dns.js';
import { GatewayPair } from '../../../support/gateway-pair.js';
import { openSockets } from '../../../support/open-sockets.js';
import { pollUntil } from '../../../support/poll-until.js';

// Serial: descriptors of this process are counted.

/** A local gateway that tells the port it was asked for, whichever it then took. */
class Recording implements HostGateway {
  readonly queries: { query: Buffer; protocol: string }[] = [];
  readonly real = new LocalGateway();
  closed = 0;
  listenTcp(address: string | undefined, port: number): Promise<number> {
    return this.real.listenTcp(address, port);
  }
  bindUdp(address: string | undefined, port: number): Promise<number> {
    return this.real.bindUdp(address, port);
  }
  resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    this.queries.push({ query, protocol });
    return Promise.resolve(protocol === 'udp' ? Buffer.concat([query, Buffer.from([0, 255, 128])]) : undefined);
  }
  underlayMtu(): Promise<number> {
    return Promise.resolve(1380);
  }
  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

async function start(t: ExecutionContext): Promise<{ pair: GatewayPair; local: Recording }> {
  const local = new Recording();
  const pair = await GatewayPair.start(local);
  t.teardown(() => void pair.child.kill('SIGKILL'));
  return { pair, local };
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
  const { pair } = await start(t);
  const before = openSockets();
  const port = await freePort();
  t.is(typeof (await pair.ask({ do: 'listen', port })), 'number');
  // Nobody serves yet: connections wait in the queue, and neither process takes them.
  const waiting = Array.from({ length: 20 }, () => readAll(port, '127.0.0.1'));
  await pollUntil('the outer process has let go of its copy', () => openSockets().length <= before.length + waiting.length);
  await pair.ask({ do: 'serveTcp' });
  t.deepEqual(await Promise.all(waiting), waiting.map(() => 'inner'));
  t.is(await readAll(port, '::1'), 'inner');
  await pollUntil('nothing of it is open in the outer process', () => openSockets().length <= before.length);
});

test.serial('a UDP socket is the inner process\'s', async (t) => {
  const { pair } = await start(t);
  const before = openSockets();
  const port = await freePort();
  await pair.ask({ do: 'bind', port });
  await pollUntil('the outer process has let go of its copy', () => openSockets().length <= before.length);
  await pair.ask({ do: 'serveUdp' });
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  client.send('hello', port, '127.0.0.1');
  const [data] = (await once(client, 'message')) as [Buffer];
  t.is(data.toString(), 'inner:hello');
});

test.serial('many sockets at once, each with one descriptor inside and none outside', async (t) => {
  const { pair } = await start(t);
  const outside = openSockets().length;
  const inside = (await pair.ask({ do: 'sockets' })) as string[];
  for (let i = 0; i < 10; i++) {
    await pair.ask({ do: 'listen', port: 0 });
    await pair.ask({ do: 'bind', port: 0 });
  }
  t.is(((await pair.ask({ do: 'sockets' })) as string[]).length, inside.length + 20);
  await pollUntil('none outside', () => openSockets().length <= outside);
});

test.serial('a port that is taken is a ListenError inside too', async (t) => {
  const { pair } = await start(t);
  const server = createServer().listen(0);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  await t.throwsAsync(pair.ask({ do: 'listen', port }), { name: 'ListenError', message: new RegExp(`port ${port}/tcp .* in use`) });
  await t.throwsAsync(pair.ask({ do: 'bind', address: '203.0.113.7', port }), { name: 'ListenError', message: /203\.0\.113\.7/ });
});

test.serial('queries and answers pass byte for byte, and the MTU', async (t) => {
  const { pair, local } = await start(t);
  const query = buildQuery();
  const answer = await pair.ask({ do: 'resolve', query: query.toString('base64'), protocol: 'udp' });
  t.is(answer, Buffer.concat([query, Buffer.from([0, 255, 128])]).toString('base64'));
  t.is(await pair.ask({ do: 'resolve', query: query.toString('base64'), protocol: 'tcp' }), null);
  t.deepEqual(local.queries, [{ query, protocol: 'udp' }, { query, protocol: 'tcp' }]);
  t.is(await pair.ask({ do: 'mtu' }), 1380);
});

test.serial('an outer process that is gone is noticed, and calls reject', async (t) => {
  const { pair } = await start(t);
  pair.child.disconnect();
  t.is(await pair.exited, 42);
});

test.serial('calls after close reject', async (t) => {
  const { pair } = await start(t);
  await t.throwsAsync(pair.ask({ do: 'close' }), { name: 'GatewayError' });
});

test.serial('an inner process killed at any moment leaves nothing open outside', async (t) => {
  const descriptors = readdirSync('/proc/self/fd').length;
  const local = new Recording();
  for (let i = 0; i < 3; i++) {
    const pair = await GatewayPair.start(local);
    for (let n = 0; n < 8; n++) {
      const call = { method: n % 2 === 0 ? ('listenTcp' as const) : ('bindUdp' as const), port: 0 };
      pair.child.emit('message', { gateway: 'call', id: 1000 + n, call });
    }
    pair.child.kill('SIGKILL');
    await pair.exited;
    await pair.outer.close();
  }
  t.is(local.closed, 3);
  await pollUntil('all is closed', () => readdirSync('/proc/self/fd').length <= descriptors);
});
