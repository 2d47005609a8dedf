import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { AgentClient, ClientError } from '../../../../agent/api/client.js';
import { serveApi, SocketError } from '../../../../agent/api/server.js';
import type { ServiceInput } from '../../../../agent/api/inputs.js';
import { pollUntil } from '../../../support/poll-until.js';
import { startApi } from './api-under-test.js';
import { MemoryControl } from './memory-control.js';

const VOTE = { name: 'vote', task: { command: ['sleep', '1'] }, networks: [{ network: 'overlay1', aliases: [] }], replicas: 2 } satisfies ServiceInput;

/** A request as any HTTP client would make it. */
function raw(socketPath: string, method: string, path: string, body?: string): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text === '' ? undefined : (JSON.parse(text) as unknown) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('networks: create with defaults filled in, list, inspect by name, id and prefix, remove', async (t) => {
  const { client } = await startApi(t);
  const network = await client.createNetwork({ name: 'overlay1' });
  t.deepEqual(network.spec, { name: 'overlay1', driver: 'overlay', ipv6: false, internal: false, labels: {} });
  t.deepEqual(await client.networks(), [network]);
  t.deepEqual(await client.network('overlay1'), network);
  t.deepEqual(await client.network(network.id), network);
  await client.createNetwork({ name: 'other' });
  const error = await t.throwsAsync(client.network('aaaa'), { instanceOf: ClientError, code: 'conflict' });
  t.is(error?.message, "'aaaa' fits 2 networks: overlay1, other; use a longer id or the full name");
  await client.removeNetwork('overlay1');
  t.deepEqual((await client.networks()).map(({ spec }) => spec.name), ['other']);
});

test('services: create, list with running tasks, scale, update, tasks, remove', async (t) => {
  const { client } = await startApi(t);
  await client.createNetwork({ name: 'overlay1' });
  const service = await client.createService(VOTE);
  t.is(service.spec.task.stopGracePeriod, 10_000);
  t.is((await client.services())[0]?.running, 2);
  t.is((await client.scaleService('vote', 5)).spec.replicas, 5);
  t.is((await client.serviceTasks('vote')).length, 5);
  t.is((await client.updateService('vote', { ...VOTE, replicas: 1 })).spec.replicas, 1);
  const [task] = await client.tasks();
  t.is((await client.task(task?.name ?? '')).id, task?.id ?? '');
  await client.removeTask(task?.id ?? '');
  await client.removeService('vote');
  t.deepEqual(await client.services(), []);
});

test('stacks, nodes, flows and info go through', async (t) => {
  const { client, control } = await startApi(t);
  control.flowList = [{ network: 'o', service: 'vote', protocol: 'tcp', client: '10.0.1.5:1', vip: '10.0.1.2:80', endpoint: '10.0.1.6:80', state: 'established', bytesIn: 1, bytesOut: 2, age: 3, idle: 4, path: 'tun' }];
  const spec = await import('../../../../overlay/model/validate.js').then(({ validateServiceSpec }) => validateServiceSpec({ ...VOTE, networks: [] }));
  t.deepEqual(await client.deployStack('demo', { networks: [], services: [spec] }), { changes: ['service vote created'] });
  t.deepEqual(await client.stacks(), [{ name: 'demo', services: 1, networks: 0 }]);
  t.deepEqual(await client.removeStack('demo'), { changes: ['service vote removed'] });
  t.is((await client.nodes())[0]?.hostname, 'host1');
  t.deepEqual(await client.flows(), control.flowList);
  t.is((await client.info()).pid, 4711);
});

test('what is listed says how old it is when it is not current; what is asked of the agent itself is always', async (t) => {
  const { socketPath, control } = await startApi(t);
  const stale: number[] = [];
  const client = new AgentClient({ socket: socketPath, onStale: (seconds) => stale.push(seconds) });
  await client.networks();
  t.deepEqual(stale, []);
  const old = `${socketPath}.old`;
  const api = await serveApi({ control, socketPath: old, age: () => 12_345 });
  t.teardown(() => api.close());
  const late = new AgentClient({ socket: old, onStale: (seconds) => stale.push(seconds) });
  await late.nodes();
  await late.info();
  await late.createNetwork({ name: 'x' });
  t.deepEqual(stale, [12]);
});

test('each kind of failure has its status and code', async (t) => {
  const { socketPath, control } = await startApi(t);
  t.deepEqual(await raw(socketPath, 'GET', '/v1/services/nothing'), { status: 404, body: { error: { code: 'not-found', message: "no service 'nothing'", remedy: "see 'vipmesh service ls'" } } });
  await control.createNetwork({ name: 'x', driver: 'overlay', ipv6: false, internal: false, labels: {} });
  const taken = await raw(socketPath, 'POST', '/v1/networks', '{"name":"x"}');
  t.is(taken.status, 409);
  t.like(taken.body, { error: { code: 'conflict' } });
  const broken = await raw(socketPath, 'POST', '/v1/networks', '{"name":');
  t.is(broken.status, 400);
  t.like(broken.body, { error: { code: 'invalid' } });
  t.deepEqual(await raw(socketPath, 'GET', '/v1/doctor'), { status: 500, body: { error: { code: 'internal', message: 'a fault of the test' } } });
  t.like(await raw(socketPath, 'GET', '/v1/nothing'), { status: 404, body: { error: { code: 'not-found', message: 'no such request: GET /v1/nothing' } } });
});

test('an unknown key is refused wherever it is', async (t) => {
  const { socketPath } = await startApi(t);
  for (const [method, path, body, key] of [
    ['POST', '/v1/networks', { name: 'x', subnt: '10.0.0.0/8' }, 'subnt'],
    ['POST', '/v1/services', { name: 'x', task: { command: ['a'], comand: 1 } }, 'comand'],
    ['POST', '/v1/services/x/scale', { replicas: 1, replica: 2 }, 'replica'],
    ['PUT', '/v1/stacks/x', { services: [], volumes: [] }, 'volumes'],
    ['GET', '/v1/services/x/logs?lines=3', undefined, 'lines'],
  ] as const) {
    const { status, body: answer } = await raw(socketPath, method, path, body && JSON.stringify(body));
    t.is(status, 400, path);
    t.regex(JSON.stringify(answer), new RegExp(key), path);
  }
});

test('a shutdown is answered before it happens', async (t) => {
  const { client, control } = await startApi(t);
  await client.shutdown();
  await pollUntil('the shutdown', () => control.shutdowns === 1);
  t.is(control.shutdowns, 1);
});

test('the socket has mode 0660 whatever the umask, and is removed at the end', async (t) => {
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  const { socketPath, server } = await startApi(t);
  t.is((await stat(socketPath)).mode & 0o777, 0o660);
  t.is(process.umask(0), 0);
  await server.close();
  await t.throwsAsync(stat(socketPath), { code: 'ENOENT' });
});

test('a stale socket is replaced; one that answers, or something else, is left alone', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'vipmesh-api-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const socketPath = join(directory, 's.sock');
  const control = new MemoryControl();
  // A socket whose process is gone: the listener is closed behind the back of its file.
  const { socketPath: live } = await startApi(t);
  await t.throwsAsync(serveApi({ control, socketPath: live }), { instanceOf: SocketError, message: /another agent answers on/ });
  const file = join(directory, 'file');
  await writeFile(file, '');
  await t.throwsAsync(serveApi({ control, socketPath: file }), { instanceOf: SocketError, message: /is not a socket/ });
  const { spawnSync } = await import('node:child_process');
  const made = spawnSync(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(socketPath)}, () => process.kill(process.pid, 'SIGKILL'))`]);
  t.is(made.signal, 'SIGKILL');
  t.true((await stat(socketPath)).isSocket());
  const server = await serveApi({ control, socketPath });
  t.is((await new AgentClient(socketPath).info()).name, 'host1');
  await server.close();
});

test('logs: the tail, then what follows; the agent stops reading when the client leaves', async (t) => {
  const { client, control } = await startApi(t);
  await client.createService({ ...VOTE, networks: [] });
  control.logLines.push({ task: 'vote.1', line: 'one' }, { task: 'vote.1', line: 'two' });
  const leave = new AbortController();
  const lines: string[] = [];
  for await (const { line } of client.serviceLogs('vote', { tail: 1, follow: true }, leave.signal)) {
    lines.push(line);
    if (line === 'two') control.logLines.push({ task: 'vote.1', line: 'three' });
    if (line === 'three') leave.abort();
  }
  t.deepEqual(lines, ['two', 'three']);
  t.true(await pollUntil('the reader has gone', () => control.followers === 0));
  const all: string[] = [];
  for await (const { line } of client.serviceLogs('vote', { follow: false }, new AbortController().signal)) all.push(line);
  t.deepEqual(all, ['one', 'two', 'three']);
});

test('logs: an unknown service is a 404, and a fault on the way is told at the end', async (t) => {
  const { client, control } = await startApi(t);
  const read = async (): Promise<string[]> => {
    const lines: string[] = [];
    for await (const { line } of client.serviceLogs('vote', { follow: false }, new AbortController().signal)) lines.push(line);
    return lines;
  };
  await t.throwsAsync(read(), { instanceOf: ClientError, code: 'not-found' });
  await client.createService({ ...VOTE, networks: [] });
  control.logLines.push({ task: 'vote.1', line: 'one' }, { task: 'vote.1', line: 'break' });
  await t.throwsAsync(read(), { instanceOf: ClientError, code: 'unavailable', message: 'the log is gone' });
});

test('closing the server ends a log that is being followed', async (t) => {
  const { client, control, server } = await startApi(t);
  await client.createService({ ...VOTE, networks: [] });
  control.logLines.push({ task: 'vote.1', line: 'one' });
  const lines: string[] = [];
  for await (const { line } of client.serviceLogs('vote', { follow: true }, new AbortController().signal)) {
    lines.push(line);
    void server.close();
  }
  t.deepEqual(lines, ['one']);
});

test('no agent, a socket that may not be opened, and something that is no agent', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'vipmesh-api-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const socketPath = join(directory, 'x.sock');
  await t.throwsAsync(new AgentClient(socketPath).info(), {
    instanceOf: ClientError,
    code: 'no-agent',
    message: `no vipmesh agent answers on ${socketPath}: start one with 'vipmesh up'`,
  });
  const log = join(directory, 'agent.log');
  const target = { socket: socketPath, stateOption: ' --state-dir /srv/x', log };
  const unseen = await t.throwsAsync(new AgentClient(target).info(), { instanceOf: ClientError, message: /'vipmesh up --state-dir \/srv\/x'$/ });
  t.is(unseen?.remedy, undefined, 'there is no log');
  await writeFile(log, '');
  t.like(await t.throwsAsync(new AgentClient(target).info()), { remedy: `the last agent that ran in the background logged to ${log}` });
  const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
  await new Promise<void>((resolve) => other.listen(socketPath, resolve));
  t.teardown(() => other.close());
  await t.throwsAsync(new AgentClient(socketPath).info(), { instanceOf: ClientError, code: 'protocol' });
  if (process.getuid?.() === 0) return t.log('as root every socket may be opened: the refusal is tested with the error itself');
  await chmod(socketPath, 0);
  const error = await t.throwsAsync(new AgentClient(socketPath).info(), { instanceOf: ClientError, code: 'permission' });
  t.regex((error).remedy ?? '', new RegExp(`it belongs to uid ${process.getuid?.()} and .*gid`));
});

test('a refused socket names its owner, its group and its mode', async (t) => {
  const { connectionError } = await import('../../../../agent/api/client-error.js');
  const { socketPath } = await startApi(t);
  const error = connectionError(Object.assign(new Error('refused'), { code: 'EACCES' }), { socket: socketPath }) as ClientError;
  const { uid, gid } = await stat(socketPath);
  t.is(error.code, 'permission');
  t.regex(error.remedy ?? '', new RegExp(`^it belongs to uid ${uid} and .*gid ${gid}\\)? with mode 0660: run this as uid ${uid}`));
});
