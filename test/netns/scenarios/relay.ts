/**
 * Scenarios for the relay, on a test host: clients are on the host, endpoints in task namespaces behind an ingress
 * namespace that the host has no route to. Real clients and servers: curl, nc, socat.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, writeSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { startRelay } from '../../../agent/relay/relay.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import { createNamespace, type Namespace } from '../../../kernel/netns/netns.js';
import { bindUdp, listenTcp } from '../../../kernel/netns/sockets.js';
import { run, start } from '../../../kernel/run/runner.js';
import type { EndpointConfig } from '../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../proxy/net/addr.js';
import type { Relay } from '../../../proxy/relay/relay.js';
import { pollUntil } from '../../support/poll-until.js';

const PORT = 8080;
const TARGET = 80;
const MEBI = 1024 * 1024;

interface World {
  readonly relay: Relay;
  readonly tasks: readonly Namespace[];
  readonly endpoints: readonly EndpointConfig[];
  readonly directory: string;
}

/** Two tasks, 10.0.0.2 and 10.0.0.3, each on a veth of the ingress namespace. Their end is the test host's end. */
async function world(): Promise<World> {
  const directory = mkdtempSync(join(os.tmpdir(), 'relay-'));
  const ingress = createNamespace(directory, 'ingress');
  const tasks: Namespace[] = [];
  const endpoints: EndpointConfig[] = [];
  for (const n of [2, 3]) {
    const task = createNamespace(directory, `task${n}`);
    await ipBatch(ingress, [
      `link add t${n} type veth peer name eth0 netns ${task.path}`,
      `link set t${n} up`,
      n === 2 ? 'address add 10.0.0.1/32 dev lo' : 'address add 10.0.0.250/32 dev lo',
      `route add 10.0.0.${n}/32 dev t${n} src 10.0.0.1`,
    ]);
    await ipBatch(task, [`address add 10.0.0.${n}/24 dev eth0`, 'link set eth0 up']);
    tasks.push(task);
    endpoints.push({ id: `task${n}`, address: parseIpv4(`10.0.0.${n}`), weight: 1 });
  }
  await ipBatch(undefined, ['link set lo up', 'address add 192.0.2.1/32 dev lo']);
  return { relay: await startRelay({ namespaceFd: ingress.fd }), tasks, endpoints, directory };
}

async function publish(w: World, protocol: 'tcp' | 'udp', endpoints = w.endpoints): Promise<void> {
  const fd = protocol === 'tcp' ? listenTcp(undefined, '::', PORT) : bindUdp(undefined, '::', PORT);
  await w.relay.publish({ id: protocol, protocol, service: 'vote', scheduler: 'rr', targetPort: TARGET, endpoints }, fd);
}

/** A server in a task; resolves when it listens. */
async function serve(task: Namespace | undefined, command: string, args: string[], table: 'tcp' | 'udp' = 'tcp'): Promise<ChildProcess> {
  assert.ok(task);
  const child = start(command, args, { netns: task, stdio: ['ignore', 'inherit', 'inherit'] });
  await pollUntil(`${command} listens`, async () => (await run('ss', ['-Hln', `--${table}`, `sport = :${TARGET}`], { netns: task })) !== '');
  return child;
}

const HTTP = `require('node:http').createServer((request, response) => response.end(process.argv[1] + '\\n')).listen(${TARGET}, '0.0.0.0')`;

const socatTcp = (...rest: string[]): string[] => [`TCP4-LISTEN:${TARGET},reuseaddr,fork`, ...rest];

function bigFile(w: World): { path: string; sum: string } {
  const path = join(w.directory, 'big');
  const hash = createHash('sha256');
  const fd = openSync(path, 'w');
  for (let i = 0; i < 128; i++) {
    const block = randomBytes(MEBI);
    hash.update(block);
    writeSync(fd, block);
  }
  closeSync(fd);
  return { path, sum: hash.digest('hex') };
}

export async function http(): Promise<void> {
  const w = await world();
  await serve(w.tasks[0], process.execPath, ['-e', HTTP, 'one']);
  await serve(w.tasks[1], process.execPath, ['-e', HTTP, 'two']);
  await publish(w, 'tcp');
  await assert.rejects(run('curl', ['-sS', '--max-time', '1', 'http://10.0.0.2/']), 'the host itself has no way to a task');
  for (const address of ['127.0.0.1', '192.0.2.1', '[::1]']) {
    const answers = [];
    for (let i = 0; i < 2; i++) answers.push(await run('curl', ['-sS', `http://${address}:${PORT}/`]));
    assert.deepEqual(answers.sort(), ['one\n', 'two\n'], address);
  }
  // Keep-alive: one connection, one endpoint.
  const kept = await run('curl', ['-sS', `http://127.0.0.1:${PORT}/`, `http://127.0.0.1:${PORT}/`]);
  assert.match(kept, /^(one\none|two\ntwo)\n$/);
  await w.relay.close();
  await assert.rejects(run('curl', ['-sS', `http://127.0.0.1:${PORT}/`]), /Failed to connect|Couldn't connect/);
}

export async function noEndpoint(): Promise<void> {
  const w = await world();
  await publish(w, 'tcp', []);
  await assert.rejects(run('curl', ['-sS', '--max-time', '5', `http://127.0.0.1:${PORT}/`]), /reset by peer|Failed to connect/);
  // Nobody listens in the tasks: both are tried, then the client is refused.
  await w.relay.update('tcp', w.endpoints);
  await assert.rejects(run('curl', ['-sS', '--max-time', '5', `http://127.0.0.1:${PORT}/`]), /reset by peer|Failed to connect/);
  const counters = await w.relay.counters();
  assert.equal(counters['relay_tcp_refused_no_endpoint'], 1);
  assert.equal(counters['relay_tcp_connect_failures'], 2);
  await serve(w.tasks[1], process.execPath, ['-e', HTTP, 'two']);
  for (let i = 0; i < 3; i++) assert.equal(await run('curl', ['-sS', `http://127.0.0.1:${PORT}/`]), 'two\n');
}

/** nc -N ends its own direction after the file and then reads the checksum that the other side took of it. */
export async function halfCloseUpload(): Promise<void> {
  const w = await world();
  const { path, sum } = bigFile(w);
  await serve(w.tasks[0], 'socat', socatTcp('EXEC:sha256sum'));
  await publish(w, 'tcp', w.endpoints.slice(0, 1));
  const answer = await run('sh', ['-c', `nc -N 127.0.0.1 ${PORT} < ${path}`], { timeout: 90_000 });
  assert.equal(answer.split(' ')[0], sum);
}

export async function download(): Promise<void> {
  const w = await world();
  const { path, sum } = bigFile(w);
  await serve(w.tasks[0], 'socat', socatTcp(`EXEC:cat ${path}`));
  await publish(w, 'tcp', w.endpoints.slice(0, 1));
  const answers = await Promise.all(
    [1, 2, 3].map(() => run('sh', ['-c', `nc -d 127.0.0.1 ${PORT} | sha256sum`], { timeout: 90_000 })),
  );
  for (const answer of answers) assert.equal(answer.split(' ')[0], sum);
}

export async function slowReader(): Promise<void> {
  const w = await world();
  const { path, sum } = bigFile(w);
  await serve(w.tasks[0], 'socat', socatTcp(`EXEC:cat ${path}`));
  await publish(w, 'tcp', w.endpoints.slice(0, 1));
  const rss = process.memoryUsage().rss;
  const sockets: Socket[] = [];
  for (let i = 0; i < 8; i++) sockets.push(connect(PORT, '127.0.0.1').pause());
  const moved = async (): Promise<number> => (await w.relay.flows()).reduce((bytes, flow) => bytes + flow.bytesOut, 0);
  // Until nothing moves: ten looks in a row see the same.
  let last = -1;
  let same = 0;
  await pollUntil('the flows stand still', async () => {
    const now = await moved();
    same = now === last && now > 0 ? same + 1 : 0;
    last = now;
    return same >= 10;
  });
  assert.ok(last < 8 * 16 * MEBI, `${last} bytes were read for clients that read none`);
  const grown = process.memoryUsage().rss - rss;
  assert.ok(grown < 64 * MEBI, `memory grew by ${grown} bytes`);
  const [slow, ...others] = sockets;
  assert.ok(slow);
  for (const other of others) other.destroy();
  const hash = createHash('sha256');
  slow.on('data', (chunk) => hash.update(chunk)).resume();
  await once(slow, 'end');
  assert.equal(hash.digest('hex'), sum);
}

/** The endpoint is killed while the client sends: it has unread data, so its kernel resets, and so must the relay. */
export async function endpointKilled(): Promise<void> {
  const w = await world();
  const sink = `require('node:net').createServer((socket) => socket.pause()).listen(${TARGET}, '0.0.0.0')`;
  const server = await serve(w.tasks[0], process.execPath, ['-e', sink]);
  await publish(w, 'tcp', w.endpoints.slice(0, 1));
  const sending = (): Promise<string> =>
    new Promise((resolve) => {
      const client = connect(PORT, '127.0.0.1');
      const more = (): void => void client.write(Buffer.alloc(MEBI), () => client.writable && more());
      client.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? '')).on('end', () => resolve('end')).resume();
      more();
    });
  const killed = sending();
  const [flow] = await pollUntil('data flows', async () => {
    const flows = await w.relay.flows();
    return (flows[0]?.bytesIn ?? 0) > 65_536 ? flows : undefined;
  });
  assert.equal(flow?.endpoint, '10.0.0.2:80');
  server.kill('SIGKILL');
  assert.match(await killed, /ECONNRESET|EPIPE/);
  await pollUntil('it is gone', async () => (await w.relay.flowsTo(parseIpv4('10.0.0.2'))) === 0);

  // The same by decree: its task is dead, as the control plane has it.
  await serve(w.tasks[1], process.execPath, ['-e', sink]);
  await w.relay.update('tcp', w.endpoints.slice(1));
  const removed = sending();
  await pollUntil('data flows', async () => ((await w.relay.flows())[0]?.bytesIn ?? 0) > 65_536);
  await w.relay.update('tcp', []);
  assert.match(await removed, /ECONNRESET|EPIPE/);
}

export async function udp(): Promise<void> {
  const w = await world();
  await serve(w.tasks[0], 'socat', [`UDP4-RECVFROM:${TARGET},fork`, 'EXEC:cat'], 'udp');
  await publish(w, 'udp', w.endpoints.slice(0, 1));
  for (const [flag, address] of [['-4', '127.0.0.1'], ['-4', '192.0.2.1'], ['-6', '::1']] as const) {
    const answer = await run('sh', ['-c', `echo hello | nc ${flag} -u -w 10 -W 1 ${address} ${PORT}`], { timeout: 90_000 });
    assert.equal(answer, 'hello\n', address);
  }
  const counters = await w.relay.counters();
  assert.equal(counters['relay_udp_sessions'], 3);
  assert.equal(counters['relay_udp_datagrams_out'], 3);
}

/** The process has almost no descriptors left: connections are shed, nothing spins, and all is well afterwards. */
export async function noDescriptors(): Promise<void> {
  const w = await world();
  await serve(w.tasks[0], process.execPath, ['-e', HTTP, 'one']);
  await publish(w, 'tcp', w.endpoints.slice(0, 1));
  // Clients in another process, so that only the relay's is short. They come when told, after the limit is set, and tell when
  // most of them are turned away: by the kernel's accept(2), or because nothing is left for the endpoint's side.
  const clients = `let gone = 0;
  process.on('SIGUSR2', () => {
    for (let i = 0; i < 60; i++) require('node:net').connect(${PORT}, '127.0.0.1').on('error', () => undefined)
      .on('close', () => ++gone === 50 && process.stdout.write('shed'));
  });
  setInterval(() => undefined, 1000);
  process.stdout.write('ready');`;
  const child = start(process.execPath, ['-e', clients], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.stdout);
  await once(child.stdout, 'data');
  const counter = async (name: string): Promise<number> => (await w.relay.counters())[name] ?? 0;
  await run('prlimit', ['--pid', `${process.pid}`, `--nofile=${readdirSync('/proc/self/fd').length + 8}:`]);
  child.kill('SIGUSR2');
  await once(child.stdout, 'data');
  // Which of the two ends a client depends on how fast they come: all at once, and accept(2) finds no descriptor; one by one, and
  // the endpoint's side does.
  const shed = 60 - (await counter('relay_tcp_accepted')) + (await counter('relay_tcp_no_descriptor'));
  assert.ok(shed >= 50, `${shed} of 60 clients were shed for want of a descriptor`);
  const before = process.cpuUsage();
  const since = performance.now();
  await pollUntil('two seconds have passed', () => performance.now() - since > 2000, { interval: 200 });
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 1_000_000, `${user + system} µs of CPU in 2 s: it spins`);
  child.kill('SIGKILL');
  await pollUntil('its connections are closed', async () => (await counter('relay_tcp_open')) === 0);
  await pollUntil('a new client is served', async () => {
    const socket = connect(PORT, '127.0.0.1').setEncoding('utf8');
    socket.end('GET / HTTP/1.0\r\n\r\n');
    return (await socket.toArray()).join('').endsWith('one\n');
  });
}
