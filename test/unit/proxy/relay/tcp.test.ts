import { once } from 'node:events';
import type { Socket } from 'node:net';
import test from 'ava';
import { wasReset } from '../../../support/socket-reset.js';
import { listenTcp } from '../../../../kernel/netns/sockets.js';
import type { FlowRecord } from '../../../../proxy/dataplane/handle.js';
import { DEFAULT_POLICY } from '../../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { closeSync, fstatSync } from 'node:fs';
import { connect } from 'node:net';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { endpoint, fullListener, greeter, portOf, Rig } from './harness.js';

const A = '127.0.0.2';
const B = '127.0.0.3';

test('connections go to the endpoints in turn, bytes go both ways, FIN ends both sides', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, greeter('a'));
  await rig.serve(B, target, greeter('b'));
  const port = await rig.publish('tcp', target, [endpoint(A), endpoint(B)]);
  const names: string[] = [];
  for (let i = 0; i < 4; i++) {
    const client = rig.client(port);
    client.socket.end('ping\n');
    t.is(await client.ended, 'end');
    t.regex(client.received.toString(), /^hello from [ab]\nping\n$/);
    names.push(client.received.toString().slice(11, 12));
  }
  t.deepEqual(names.sort(), ['a', 'a', 'b', 'b']);
  await pollUntil('all connections are closed', async () => (await rig.counter('relay_tcp_open')) === 0);
  t.is(await rig.counter('relay_tcp_accepted'), 4);
  t.is(await rig.counter('relay_tcp_resets'), 0);
});

test('half-close by the client: the endpoint sees FIN and may answer for as long as it likes', async (t) => {
  const rig = new Rig(t);
  let got = '';
  const target = await rig.serve(A, 0, (socket) => {
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.on('end', () => socket.write('after your FIN: one\n', () => setImmediate(() => socket.end('two\n'))));
  });
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  client.socket.end('request');
  t.is(await client.ended, 'end');
  t.is(got, 'request');
  t.is(client.received.toString(), 'after your FIN: one\ntwo\n');
});

test('half-close by the endpoint: the client sees FIN and may go on sending', async (t) => {
  const rig = new Rig(t);
  let got = '';
  let endpointEnded = false;
  const target = await rig.serve(A, 0, (socket) => {
    socket.end('all I have to say\n');
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.on('end', () => (endpointEnded = true));
  });
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  t.is(await client.ended, 'end');
  t.is(client.received.toString(), 'all I have to say\n');
  client.socket.write('still here\n');
  await pollUntil('the endpoint gets it', () => got === 'still here\n');
  const [flow] = (await rig.core.handle({ kind: 'flows' })) as FlowRecord[];
  t.is(flow?.state, 'closing');
  t.false(endpointEnded);
  client.socket.end();
  await pollUntil('the endpoint sees the FIN', () => endpointEnded);
  await pollUntil('the connection is closed', async () => (await rig.counter('relay_tcp_open')) === 0);
});

test('what the client sends before an endpoint is connected is delivered', async (t) => {
  const rig = new Rig(t, { connectTimeout: 60_000 });
  let got = '';
  const full = await fullListener(t, A);
  const port = await rig.publish('tcp', full.port, [endpoint(A)]);
  const client = rig.client(port);
  client.socket.write('early bird\n');
  await pollUntil('it is being connected', async () => {
    const [flow] = (await rig.core.handle({ kind: 'flows' })) as FlowRecord[];
    return flow?.state === 'opening';
  });
  await rig.serve(B, full.port, (socket) => {
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.write('ok');
  });
  // The endpoint that does not answer goes away, another comes: the attempt moves on.
  await rig.update('tcp', [endpoint(B)]);
  await client.until('ok');
  await pollUntil('the bytes arrive', () => got !== '');
  t.is(got, 'early bird\n');
});

test('an endpoint that refuses is passed over', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(B, 0, greeter('b'));
  const port = await rig.publish('tcp', target, [endpoint(A), endpoint(B), endpoint('127.0.0.4')]);
  for (let i = 0; i < 3; i++) {
    const client = rig.client(port);
    await client.until('hello from b');
  }
  t.true((await rig.counter('relay_tcp_connect_failures')) >= 2);
  t.is(await rig.counter('relay_tcp_refused_unreachable'), 0);
});

test('an endpoint that refuses again and again is ejected and no longer tried', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(B, 0, greeter('b'));
  const port = await rig.publish('tcp', target, [endpoint(A), endpoint(B)]);
  for (let i = 0; i < 20; i++) await rig.client(port).until('hello from b');
  t.is(await rig.counter('relay_tcp_connect_failures'), 5);
  t.is(await rig.counter('relay_tcp_ejections'), 1);
});

test('open connections count for maxConnections, and ended ones no longer', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, greeter('a'));
  const policy = { ...DEFAULT_POLICY, maxConnections: 2 };
  const port = await rig.publish('tcp', target, [endpoint(A)], '127.0.0.1', policy);
  const first = rig.client(port);
  await first.until('hello from a');
  await rig.client(port).until('hello from a');
  t.is(await rig.client(port).ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_refused_no_endpoint'), 1);
  first.socket.destroy();
  await pollUntil('the place is free', async () => (await rig.counter('relay_tcp_open')) === 1);
  await rig.client(port).until('hello from a');
});

test('an endpoint that does not answer is passed over after the time-out', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, { connectTimeout: 100 }, clock);
  const full = await fullListener(t, A);
  await rig.serve(B, full.port, greeter('b'));
  const port = await rig.publish('tcp', full.port, [endpoint(A), endpoint(B)]);
  const first = rig.client(port);
  await pollUntil('it is being connected', async () => ((await rig.core.handle({ kind: 'flows' })) as FlowRecord[])[0]?.state === 'opening');
  clock.advance(99);
  t.is(await rig.counter('relay_tcp_connect_timeouts'), 0);
  clock.advance(1);
  await first.until('hello from b');
  await rig.client(port).until('hello from b');
  t.is(await rig.counter('relay_tcp_connect_timeouts'), 1);
});

test('when every endpoint fails, each was tried once and the client is reset', async (t) => {
  const rig = new Rig(t);
  const unused = unusedPort();
  const port = await rig.publish('tcp', unused, [endpoint(A), endpoint(B)]);
  t.is(await rig.client(port).ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_connect_failures'), 2);
  t.is(await rig.counter('relay_tcp_refused_unreachable'), 1);
});

test('no endpoint: reset at once', async (t) => {
  const rig = new Rig(t);
  const port = await rig.publish('tcp', 80, [endpoint(A, 0)]);
  t.is(await rig.client(port).ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_refused_no_endpoint'), 1);
  await pollUntil('nothing is left of it', async () => (await rig.counter('relay_tcp_open')) === 0);
});

test('a reset by the endpoint is a reset for the client', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  client.socket.write('x');
  t.is(await client.ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_resets'), 1);
});

test('a reset that comes right behind data is no end of file', async (t) => {
  // libuv reports an end here; the truth is in the socket's pending error.
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, (socket) => {
    socket.once('data', () => {
      socket.write(Buffer.alloc(30_000));
      socket.resetAndDestroy();
    });
  });
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  for (let i = 0; i < 20; i++) {
    const client = rig.client(port);
    client.socket.write('x');
    t.is(await client.ended, 'ECONNRESET');
  }
  t.is(await rig.counter('relay_tcp_resets'), 20);
});

test('a reset by the client is a reset for the endpoint, also behind data', async (t) => {
  const rig = new Rig(t);
  let accepted: Socket | undefined;
  let outcome = '';
  const target = await rig.serve(A, 0, (socket) => {
    accepted = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => (outcome = error.code ?? ''));
    socket.on('data', () => undefined);
    socket.on('end', () => (outcome = wasReset(socket) ? 'ECONNRESET' : 'end'));
  });
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  for (const bytes of [0, 20_000]) {
    accepted = undefined;
    outcome = '';
    const client = rig.client(port);
    await pollUntil('the endpoint has it', () => accepted);
    client.socket.write(Buffer.alloc(bytes));
    client.socket.resetAndDestroy();
    await pollUntil('the endpoint hears of it', () => outcome);
    t.is(outcome, 'ECONNRESET', `${bytes} bytes`);
  }
  await pollUntil('nothing is left', async () => (await rig.counter('relay_tcp_open')) === 0);
  t.is(await rig.counter('relay_tcp_resets'), 2);
});

test('a reset after a FIN is found although nobody reads', async (t) => {
  const clock = new FakeClock();
  const rig = new Rig(t, {}, clock);
  let halfClosed = false;
  let outcome = '';
  const target = await rig.serve(A, 0, (socket) => {
    socket.on('error', (error: NodeJS.ErrnoException) => (outcome = error.code ?? ''));
    socket.on('data', () => undefined);
    socket.on('end', () => (halfClosed = true));
  });
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  client.socket.end('x');
  await pollUntil('the FIN went through', () => halfClosed);
  clock.advance(60_000);
  t.is(await rig.counter('relay_tcp_open'), 1, 'a half-closed connection is left alone');
  client.socket.resetAndDestroy();
  await pollUntil('both sides are closed', async () => {
    clock.advance(30_000);
    return (await rig.counter('relay_tcp_open')) === 0;
  });
  t.is(await rig.counter('relay_tcp_resets'), 1);
  t.is(outcome, '', 'the endpoint has read to the end, it hears of it when it writes');
});

test('an endpoint that is gone takes its connections with it, a draining one keeps them', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, greeter('a'));
  await rig.serve(B, target, greeter('b'));
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const toA = rig.client(port);
  await toA.until('hello from a');
  t.is(await rig.core.handle({ kind: 'flowsTo', address: parseIpv4(A) }), 1);
  await rig.update('tcp', [endpoint(A, 0), endpoint(B)]);
  for (let i = 0; i < 3; i++) await rig.client(port).until('hello from b');
  toA.socket.write('drained, not dead\n');
  await toA.until('drained, not dead');
  await rig.update('tcp', [endpoint(B)]);
  t.is(await toA.ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_endpoint_gone'), 1);
  await pollUntil('only those to b are left', async () => (await rig.counter('relay_tcp_open')) === 3);
});

test('a reset while a FIN is on its way leaves no descriptor behind', async (t) => {
  const rig = new Rig(t);
  const accepted: Socket[] = [];
  const target = await rig.serve(A, 0, (socket) => {
    accepted.push(socket);
    socket.pause();
  });
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  for (const bytes of [1, 16 * 1024 * 1024]) {
    accepted.length = 0;
    const client = rig.client(port);
    client.socket.end(Buffer.alloc(bytes));
    await pollUntil('the endpoint has it', () => accepted.length === 1);
    await rig.update('tcp', []);
    t.is(await client.ended, 'ECONNRESET');
    await pollUntil('both sides are closed', async () => (await rig.counter('relay_tcp_open')) === 0);
    await rig.update('tcp', [endpoint(A)]);
  }
});

test('beyond the bound connections are reset and counted, and room is made by those that end', async (t) => {
  const rig = new Rig(t, { maxConnections: 2 });
  const target = await rig.serve(A, 0, greeter('a'));
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const first = rig.client(port);
  await first.until('hello');
  await rig.client(port).until('hello');
  t.is(await rig.client(port).ended, 'ECONNRESET');
  t.is(await rig.counter('relay_tcp_refused_limit'), 1);
  first.socket.end();
  await pollUntil('one is closed', async () => (await rig.counter('relay_tcp_open')) === 1);
  await rig.client(port).until('hello');
});

test('flows tell who talks to whom, and how much', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, greeter('a'));
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  client.socket.write('12345');
  await client.until('12345');
  const [flow] = (await rig.core.handle({ kind: 'flows' })) as FlowRecord[];
  t.like(flow, {
    network: 'ingress',
    service: 'vote',
    protocol: 'tcp',
    client: `127.0.0.1:${client.socket.localPort}`,
    vip: `127.0.0.1:${port}`,
    endpoint: `${A}:${target}`,
    state: 'established',
    bytesIn: 5,
    bytesOut: 'hello from a\n12345'.length,
    path: 'relay',
  });
  t.true((flow?.age ?? -1) >= (flow?.idle ?? 0));
});

test('IPv4 and IPv6 clients on a dual-stack socket', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, greeter('a'));
  const port = await rig.publish('tcp', target, [endpoint(A)], '::');
  await rig.client(port).until('hello');
  const [flow] = (await rig.core.handle({ kind: 'flows' })) as FlowRecord[];
  t.regex(flow?.client ?? '', /^127\.0\.0\.1:\d+$/);
  const v6 = connect({ host: '::1', port });
  t.teardown(() => v6.destroy());
  const [chunk] = (await once(v6, 'data')) as [Buffer];
  t.is(chunk.toString(), 'hello from a\n');
});

test('unpublish stops listening at once, resets what is open, and is idempotent', async (t) => {
  const rig = new Rig(t);
  const target = await rig.serve(A, 0, greeter('a'));
  const port = await rig.publish('tcp', target, [endpoint(A)]);
  const client = rig.client(port);
  await client.until('hello');
  await rig.core.handle({ kind: 'unpublish', id: 'tcp' });
  closeSync(listenTcp(undefined, '127.0.0.1', port));
  t.is(await client.ended, 'ECONNRESET');
  await t.notThrowsAsync(rig.core.handle({ kind: 'unpublish', id: 'tcp' }));
  t.is(await rig.client(port).ended, 'ECONNREFUSED');
});

test('a request that cannot be met says so, and the descriptor that came with it is closed', async (t) => {
  const rig = new Rig(t);
  await rig.publish('tcp', 80, []);
  const fd = listenTcp(undefined, '127.0.0.1', 0);
  const inode = fstatSync(fd).ino;
  const port = { id: 'tcp', protocol: 'tcp', service: 's', scheduler: 'rr', targetPort: 1, endpoints: [] } as const;
  await t.throwsAsync(rig.core.handle({ kind: 'publish', port, fd }), { name: 'RelayError', message: /tcp is published already/ });
  t.false(isOpen(fd, inode));
  await t.throwsAsync(rig.core.handle({ kind: 'update', id: 'nope', endpoints: [] }), { name: 'RelayError', message: /nope/ });
});

function isOpen(fd: number, inode: number): boolean {
  try {
    return fstatSync(fd).ino === inode;
  } catch {
    return false;
  }
}

function unusedPort(): number {
  const fd = listenTcp(undefined, '127.0.0.1', 0);
  const port = portOf(fd, 'tcp');
  closeSync(fd);
  return port;
}
