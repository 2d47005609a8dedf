import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { DnsServeError, DnsServer, MAX_CONNECTIONS } from '../../../../overlay/dns/server.js';
import type { DnsServerOptions } from '../../../../overlay/dns/server.js';
import type { DnsView } from '../../../../overlay/dns/view.js';
import { bindUdp } from '../../../../kernel/netns/sockets.js';
import { skipWithout } from '../../../support/capability.js';
import { back, buildQuery, buildResponse, overlay1, parseResponse, seededRandom, viewOf } from '../../../support/dns.js';
import { boundPair, dig, exchange, exchangeTcp, startUpstream } from '../../../support/dns-net.js';
import type { Upstream } from '../../../support/dns-net.js';
import { pollUntil } from '../../../support/poll-until.js';
import { bytesOf, MALFORMED } from './malformed.js';

const silence: DnsServerOptions = { forward: () => Promise.resolve(undefined) };

async function start(t: ExecutionContext, view: DnsView, options: DnsServerOptions = silence): Promise<{ server: DnsServer; port: number }> {
  const server = new DnsServer(options);
  t.teardown(() => server.close());
  const { port, udpFd, tcpFd } = await boundPair();
  await server.serve('task', udpFd, tcpFd, view);
  return { server, port };
}

/** A server that forwards to an upstream of its own. */
async function startForwarding(t: ExecutionContext, answer: Parameters<typeof startUpstream>[0]): Promise<{ server: DnsServer; port: number; upstream: Upstream }> {
  const upstream = await startUpstream(answer);
  t.teardown(() => upstream.close());
  const forward: DnsServerOptions['forward'] = (query, protocol) => exchange(upstream.port, query, protocol, 2000);
  return { upstream, ...(await start(t, viewOf(overlay1()), { forward })) };
}

test('dig: services, tasks, aliases, reverse, other types', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  const { port } = await start(t, viewOf(overlay1(), back()));
  t.is(await dig(port, '+short', 'vote'), '10.0.1.2\n');
  t.is(await dig(port, '+short', 'VOTE.overlay1.'), '10.0.1.2\n');
  t.is(await dig(port, '+short', '+tcp', 'vote'), '10.0.1.2\n');
  t.is(await dig(port, '+short', 'vote.back'), '10.0.2.3\n');
  t.is(await dig(port, '+short', 'ballot'), '10.0.1.2\n');
  t.is(await dig(port, '+short', '0000000000a0'), '10.0.1.5\n');
  t.deepEqual((await dig(port, '+short', 'tasks.vote')).trim().split('\n').sort(), ['10.0.1.5', '10.0.1.6']);
  t.deepEqual((await dig(port, '+short', 'dv')).trim().split('\n').sort(), ['10.0.1.20', '10.0.1.21', '10.0.1.22']);
  t.is(await dig(port, '+short', '-x', '10.0.1.6'), 'vote.2.0000000000a1.overlay1.\n');
  t.is(await dig(port, '+short', '-x', '10.0.1.2'), 'vote.overlay1.\n');
  t.regex(await dig(port, '-x', '10.0.1.99'), /status: NXDOMAIN/);

  const full = await dig(port, 'Vote');
  t.regex(full, /status: NOERROR/);
  t.regex(full, /flags: qr aa rd ra;/);
  t.regex(full, /^Vote\.\s+600\s+IN\s+A\s+10\.0\.1\.2$/m);
  t.regex(full, /EDNS: version: 0, flags:; udp: 4096/);
  t.notRegex(full, /WARNING|malformed|bad packet/i);

  const aaaa = await dig(port, 'vote', 'AAAA');
  t.regex(aaaa, /status: NOERROR/);
  t.regex(aaaa, /ANSWER: 0/);
  t.regex(await dig(port, '+edns=1', '+noednsnegotiation', 'vote'), /status: BADVERS/);
  t.regex(await dig(port, '+opcode=STATUS', 'vote'), /status: NOTIMP/);
  t.regex(await dig(port, 'vote', 'CH', 'TXT'), /status: NOTIMP/);
});

test('dig: answers of fifty tasks are cut over UDP and whole over TCP', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  const { port, server } = await start(t, viewOf(overlay1({ dnsrr: 50 })));
  const cut = await dig(port, '+ignore', '+noedns', 'dv');
  t.regex(cut, /flags: qr aa tc rd ra/);
  t.regex(cut, /ANSWER: 30,/);
  t.notRegex(cut, /WARNING|malformed|bad packet/i);
  t.regex(await dig(port, '+ignore', '+bufsize=512', 'dv'), /flags: qr aa tc rd ra/);
  t.is(server.counters().tcpConnections, 0);

  const whole = await dig(port, '+noedns', 'dv');
  t.regex(whole, /Truncated, retrying in TCP mode/);
  t.regex(whole, /ANSWER: 50,/);
  t.is(server.counters().tcpConnections, 1);

  t.regex(await dig(port, '+bufsize=1232', 'dv'), /flags: qr aa rd ra; QUERY: 1, ANSWER: 50,/);
  t.is(server.counters().tcpConnections, 1);
});

test('dig: the order changes from query to query, the set does not', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  const { port } = await start(t, viewOf(overlay1()), { ...silence, random: seededRandom(3) });
  const orders = new Set<string>();
  for (let i = 0; i < 12; i++) {
    const answers = (await dig(port, '+short', 'dv')).trim().split('\n');
    t.deepEqual([...answers].sort(), ['10.0.1.20', '10.0.1.21', '10.0.1.22']);
    orders.add(answers.join());
  }
  t.true(orders.size > 1);
});

test('dig: unknown names are answered by the upstream, over the protocol of the client', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  const { port, upstream } = await startForwarding(t, (query) => buildResponse(query, ['192.0.2.7']));
  t.is(await dig(port, '+short', 'www.example.com'), '192.0.2.7\n');
  t.is(await dig(port, '+short', '+tcp', 'www.example.com'), '192.0.2.7\n');
  t.is(await dig(port, '+short', '-x', '198.51.100.1', '-t', 'A'), '192.0.2.7\n');
  t.deepEqual(upstream.seen.map((entry) => entry.protocol), ['udp', 'tcp', 'udp']);
  t.regex(await dig(port, 'nobody.overlay1'), /status: NXDOMAIN/);
  t.regex(await dig(port, 'tasks.nobody'), /status: NXDOMAIN/);
  t.is(upstream.seen.length, 3);
});

test('dig: an upstream response too large for the client makes it come back over TCP', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  const addresses = Array.from({ length: 100 }, (_, index) => `192.0.2.${index}`);
  const { port, upstream } = await startForwarding(t, (query) => buildResponse(query, addresses));
  const cut = await dig(port, '+noedns', '+ignore', 'many.example.com');
  t.regex(cut, /flags: qr tc rd ra/);
  t.notRegex(cut, /WARNING|malformed|bad packet/i);
  t.regex(await dig(port, '+noedns', 'many.example.com'), /ANSWER: 100,/);
  t.deepEqual(upstream.seen.map((entry) => entry.protocol), ['udp', 'udp', 'tcp']);
});

test('dig: SERVFAIL when no upstream answers', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  const { port, upstream, server } = await startForwarding(t, () => undefined);
  await upstream.close();
  upstream.close = () => Promise.resolve();
  t.regex(await dig(port, 'www.example.com'), /status: SERVFAIL/);
  t.regex(await dig(port, '+tcp', 'www.example.com'), /status: SERVFAIL/);
  t.is(await dig(port, '+short', 'vote'), '10.0.1.2\n');
  t.is(server.counters().forwardsFailed, 2);
});

test('dig: internal networks ask nobody', async (t) => {
  if (skipWithout(t, 'command:dig')) return;
  let asked = 0;
  const { port, server } = await start(t, viewOf(overlay1({ internal: true })), { forward: () => Promise.resolve(void asked++) });
  t.regex(await dig(port, 'www.example.com'), /status: NXDOMAIN/);
  t.is(asked, 0);
  t.is(server.counters().blocked, 1);
});

for (const protocol of ['udp', 'tcp'] as const) {
  test(`malformed queries over ${protocol}: FORMERR, NOTIMP or nothing, and the server lives`, async (t) => {
    const { port, server } = await start(t, viewOf(overlay1()));
    for (const { what, hex, verdict } of MALFORMED) {
      const message = bytesOf(hex);
      if (verdict === 'drop') {
        // Nothing is to come, so something that is answered is sent behind it.
        const probe = buildQuery({ id: 0x7777 });
        const responses = protocol === 'tcp' ? await exchangeTcp(port, [message, probe], 1) : await afterUdp(port, message, probe);
        t.deepEqual(responses.map((response) => response.readUInt16BE(0)), [0x7777], what);
      } else {
        const response = await exchange(port, message, protocol);
        t.is(response && parseResponse(response).rcode, verdict === 'FORMERR' ? 1 : 4, what);
      }
    }
    t.is(server.counters().socketErrors, 0);
  });
}

/** Sends both from one UDP socket and answers what comes until the response to the second. */
async function afterUdp(port: number, message: Buffer, probe: Buffer): Promise<Buffer[]> {
  const socket = createSocket('udp4');
  const responses: Buffer[] = [];
  try {
    socket.on('message', (response) => responses.push(response));
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.send(message);
    socket.send(probe);
    await pollUntil('the response to the second', () => responses.some((response) => response.readUInt16BE(0) === probe.readUInt16BE(0)));
    return responses;
  } finally {
    socket.close();
  }
}

test('pipelined queries over TCP: ours overtake those that are forwarded', async (t) => {
  const pending: (() => void)[] = [];
  const forward: DnsServerOptions['forward'] = (query) => new Promise((resolve) => pending.push(() => resolve(buildResponse(query, ['192.0.2.1']))));
  const { port } = await start(t, viewOf(overlay1()), { forward });
  const first = exchangeTcp(port, [buildQuery({ id: 1, name: 'example.com' }), buildQuery({ id: 2, name: 'vote' }), buildQuery({ id: 3, name: 'client' })], 3);
  await pollUntil('the query is out', () => pending.length === 1);
  pending[0]?.();
  t.deepEqual((await first).map((response) => response.readUInt16BE(0)), [2, 3, 1]);
});

test('a UDP client that has gone is harmless', async (t) => {
  let release: ((response: Buffer) => void) | undefined;
  const { port, server } = await start(t, viewOf(overlay1()), { forward: () => new Promise((resolve) => (release = resolve)) });
  const query = buildQuery({ name: 'example.com' });
  t.is(await exchange(port, query, 'udp', 50), undefined);
  await pollUntil('the query is out', () => release);
  release?.(buildResponse(query, ['192.0.2.1']));
  const again = await exchange(port, buildQuery(), 'udp');
  t.is(again && parseResponse(again).answers[0]?.text, '10.0.1.2');
  t.is(server.counters().forwardsPending, 0);
});

test('an update decides from the next query on', async (t) => {
  const { port, server } = await start(t, viewOf(overlay1()));
  const tasks = async (): Promise<(string | undefined)[]> => {
    const response = await exchange(port, buildQuery({ name: 'dv' }), 'udp');
    return response ? parseResponse(response).answers.map((record) => record.text).sort() : [];
  };
  t.deepEqual(await tasks(), ['10.0.1.20', '10.0.1.21', '10.0.1.22']);
  server.update('task', viewOf(overlay1({ dnsrr: 1 })));
  t.deepEqual(await tasks(), ['10.0.1.20']);
  server.update('no such task', viewOf());
});

test('every sandbox sees its own names', async (t) => {
  const { port, server } = await start(t, viewOf(overlay1()));
  const other = await boundPair();
  await server.serve('other', other.udpFd, other.tcpFd, viewOf(back()));
  const ask = async (at: number, name: string): Promise<number | undefined> => {
    const response = await exchange(at, buildQuery({ name }), 'udp');
    return response && parseResponse(response).rcode;
  };
  t.is(await ask(port, 'client'), 0);
  t.is(await ask(other.port, 'client'), 2);
  t.is(await ask(other.port, 'db'), 0);
  t.is(server.counters().sandboxes, 2);
});

test('remove closes the sockets and ends the connections', async (t) => {
  const { port, server } = await start(t, viewOf(overlay1()));
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  await once(client, 'connect');
  await pollUntil('it is accepted', () => server.counters().tcpConnections === 1);
  const gone = once(client, 'close');
  client.resume();
  await server.remove('task');
  await gone;
  // Both ports are free: UDP sockets do not share theirs.
  fs.closeSync(bindUdp(undefined, '127.0.0.1', port));
  t.deepEqual(await exchangeTcp(port, [buildQuery()], 1, 500), []);
  t.is(server.counters().sandboxes, 0);
  await t.notThrowsAsync(server.remove('task'));
});

test('remove while it is still being served', async (t) => {
  const server = new DnsServer(silence);
  const { port, udpFd, tcpFd } = await boundPair();
  const serving = server.serve('task', udpFd, tcpFd, viewOf(overlay1()));
  await server.remove('task');
  await serving;
  fs.closeSync(bindUdp(undefined, '127.0.0.1', port));
  t.deepEqual(await exchangeTcp(port, [buildQuery()], 1, 500), []);
});

test('the same task twice is an error, and its descriptors are closed', async (t) => {
  const { server } = await start(t, viewOf(overlay1()));
  const again = await boundPair();
  await t.throwsAsync(server.serve('task', again.udpFd, again.tcpFd, viewOf()), { instanceOf: DnsServeError, message: /already has a name server/ });
  fs.closeSync(bindUdp(undefined, '127.0.0.1', again.port));
});

test('descriptors that are no such sockets are an error, and closed', async (t) => {
  const server = new DnsServer(silence);
  const file = (): number => fs.openSync('/dev/null', 'r');
  const [badUdp, goodTcp] = [file(), await boundPair()];
  fs.closeSync(goodTcp.udpFd);
  await t.throwsAsync(server.serve('a', badUdp, goodTcp.tcpFd, viewOf()), { instanceOf: DnsServeError });
  t.deepEqual(await exchangeTcp(goodTcp.port, [buildQuery()], 1, 500), []);

  const [goodUdp, badTcp] = [await boundPair(), file()];
  fs.closeSync(goodUdp.tcpFd);
  await t.throwsAsync(server.serve('b', goodUdp.udpFd, badTcp, viewOf()), { instanceOf: DnsServeError, message: /not a TCP socket/ });
  fs.closeSync(bindUdp(undefined, '127.0.0.1', goodUdp.port));
  t.is(server.counters().sandboxes, 0);
});

test('a sandbox holds a bounded number of connections', async (t) => {
  const { port, server } = await start(t, viewOf(overlay1()));
  const clients: Socket[] = [];
  t.teardown(() => clients.forEach((client) => client.destroy()));
  for (let i = 0; i < MAX_CONNECTIONS + 3; i++) {
    const client = connect(port, '127.0.0.1');
    client.on('error', () => undefined);
    clients.push(client);
  }
  await pollUntil('all are accepted or refused', () => server.counters().tcpConnections === MAX_CONNECTIONS && server.counters().tcpConnectionsRefused === 3);
  clients.forEach((client) => client.destroy());
  const answers = await pollUntil('there is room again', async () => {
    const responses = await exchangeTcp(port, [buildQuery()], 1);
    return responses.length > 0 ? responses : undefined;
  });
  t.is(answers.length, 1);
});
