import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { AgentClient, ClientError } from '../../../../agent/api/client.js';
import { WINDOW } from '../../../../agent/api/frames.js';
import { HANGUP_GRACE } from '../../../../agent/api/sessions.js';
import { connectWebSocket, webSocketServer } from '../../../../agent/api/websocket.js';
import type { ExecSession, RunRequest } from '../../../../agent/control.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { startApi } from './api-under-test.js';

function runOf(script: string, more: Partial<RunRequest> = {}): RunRequest {
  return { command: ['sh', '-c', script], stdin: false, networks: [], remove: true, ...more };
}

async function readAll(stream: NodeJS.ReadableStream | undefined): Promise<Buffer> {
  const chunks: Buffer[] = [];
  if (stream) for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function finish(session: ExecSession): Promise<{ stdout: string; stderr: string; code: number }> {
  const [stdout, stderr, code] = await Promise.all([readAll(session.stdout), readAll(session.stderr), session.exited]);
  return { stdout: stdout.toString(), stderr: stderr.toString(), code };
}

test('output on both channels and the exit code', async (t) => {
  const { client } = await startApi(t);
  const session = await client.run(runOf('echo out; echo err >&2; exit 7'));
  t.regex(session.taskId, /^[0-9a-f]{12}$/);
  t.is(session.stdin, undefined);
  t.deepEqual(await finish(session), { stdout: 'out\n', stderr: 'err\n', code: 7 });
});

test('stdin is delivered up to its end, many windows of it, and comes back unharmed', async (t) => {
  const { client } = await startApi(t);
  const session = await client.run(runOf('cat', { stdin: true }));
  const bytes = randomBytes(8 * WINDOW + 13);
  session.stdin?.end(bytes);
  const [out, code] = await Promise.all([readAll(session.stdout), session.exited, readAll(session.stderr)]);
  t.is(createHash('sha256').update(out).digest('hex'), createHash('sha256').update(bytes).digest('hex'));
  t.is(code, 0);
});

test('a process that does not read its input still hears signals', async (t) => {
  const { client, control } = await startApi(t);
  const session = await client.run(runOf('exec sleep 600', { stdin: true }));
  session.stdin?.write(randomBytes(4 * WINDOW));
  session.kill('SIGTERM');
  t.is((await finish(session)).code, 143);
  t.deepEqual(control.signals, ['SIGTERM']);
});

test('with a terminal there is one stream, and the size is passed on', async (t) => {
  const { client, control } = await startApi(t);
  const session = await client.run(runOf('read line; echo "got $line"', { stdin: true, terminal: { columns: 80, rows: 24 } }));
  t.is(session.stderr, undefined);
  session.resize({ columns: 100, rows: 30 });
  t.true(await pollUntil('the new size', () => control.resizes.length === 2));
  t.deepEqual(control.resizes, [{ columns: 80, rows: 24 }, { columns: 100, rows: 30 }]);
  session.stdin?.write('x\n');
  t.is((await finish(session)).stdout, 'got x\n');
});

test('what cannot start is told, with its remedy', async (t) => {
  const { client } = await startApi(t);
  const missing = await t.throwsAsync(client.run({ ...runOf(''), command: ['/no/such/program'] }), { instanceOf: ClientError, code: 'invalid' });
  t.is((missing).remedy, 'check the name of the program');
  await t.throwsAsync(client.exec('nothing', { command: ['true'], stdin: false }), { instanceOf: ClientError, code: 'not-found', message: "no task 'nothing'" });
  await t.throwsAsync(client.run({ ...runOf('true'), command: [] }), { instanceOf: ClientError, code: 'invalid' });
  await t.throwsAsync(client.run({ ...runOf('true'), volumes: [] } as RunRequest), { instanceOf: ClientError, code: 'invalid', message: /volumes/ });
});

test('exec takes a task by reference', async (t) => {
  const { client } = await startApi(t);
  await client.createService({ name: 'vote', task: { command: ['true'] } });
  const [task] = await client.tasks();
  const session = await client.exec(task?.name ?? '', { command: ['sh', '-c', 'echo $WHO'], env: { WHO: 'me' }, stdin: false });
  t.is(session.taskId, task?.id ?? '');
  t.is((await finish(session)).stdout, 'me\n');
});

test('no agent, and no such session', async (t) => {
  const { client, socketPath, server } = await startApi(t);
  const socket = connectWebSocket(socketPath, '/v1/nothing');
  const error = await new Promise<Error>((resolve) => socket.once('error', resolve));
  t.regex(error.message, /404/);
  await server.close();
  await t.throwsAsync(client.run(runOf('true')), { instanceOf: ClientError, code: 'no-agent' });
});

test('a client that leaves hangs up the process, which is killed when it does not listen', async (t) => {
  const clock = new FakeClock();
  const { control, socketPath } = await startApi(t, clock);
  const socket = connectWebSocket(socketPath, '/v1/run');
  socket.on('open', () => socket.send(JSON.stringify({ type: 'start', request: runOf("trap '' HUP; echo ready; while :; do sleep 0.05; done") })));
  await new Promise<void>((resolve) => socket.on('message', (_, isBinary) => isBinary && resolve()));
  socket.terminate();
  t.true(await pollUntil('the hang-up', () => control.signals.length === 1));
  clock.advance(HANGUP_GRACE - 1);
  t.deepEqual(control.signals, ['SIGHUP']);
  clock.advance(1);
  t.deepEqual(control.signals, ['SIGHUP', 'SIGKILL']);
});

test('output that nobody reads does not pile up', async (t) => {
  const { client, control } = await startApi(t);
  const session = await client.run(runOf('exec head -c 64000000 /dev/zero'));
  let before = -1;
  const stalled = await pollUntil('the process is held up', () => {
    const last = before;
    before = (control.children[0]?.stdout as Socket | undefined)?.bytesRead ?? 0;
    return before > 0 && before === last;
  }, { interval: 200 });
  t.true(stalled);
  t.true(before < 4_000_000, `${before} bytes were taken from the process while nobody read`);
  const [out, code] = await Promise.all([readAll(session.stdout), session.exited, readAll(session.stderr)]);
  t.is(out.length, 64_000_000);
  t.is(code, 0);
});

test('a client that breaks the protocol is told, and its process killed', async (t) => {
  const { control, socketPath } = await startApi(t);
  const socket = connectWebSocket(socketPath, '/v1/run');
  const texts: string[] = [];
  socket.on('open', () => socket.send(JSON.stringify({ type: 'start', request: runOf('exec sleep 600') })));
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) return;
    texts.push(data.toString());
    if (texts.length === 1) socket.send(Buffer.from([9, 9]));
  });
  await new Promise((resolve) => socket.once('close', resolve));
  t.like(JSON.parse(texts[1] ?? ''), { type: 'error', error: { code: 'invalid', message: 'unknown channel 9' } });
  t.deepEqual(control.signals, ['SIGKILL']);
});

test('closing the server ends sessions', async (t) => {
  const { client, control, server } = await startApi(t);
  const session = await client.run(runOf('echo ready; exec sleep 600'));
  await new Promise((resolve) => session.stdout.once('data', resolve));
  await server.close();
  const error = await t.throwsAsync(session.exited, { instanceOf: ClientError, code: 'unavailable', message: 'the agent ended while the process was attached' });
  t.is(error?.remedy, "see 'vipmesh status'");
  t.true(await pollUntil('the hang-up', () => control.signals.includes('SIGHUP')));
});

test('a session that is closed by an agent which lives on is not called its end', async (t) => {
  const sockets = webSocketServer();
  const directory = await mkdtemp(join(tmpdir(), 'vipmesh-api-'));
  const socketPath = join(directory, 'x.sock');
  const server = createServer().on('upgrade', (request, socket, head) => sockets.handleUpgrade(request, socket, head, (webSocket) => webSocket.once('message', () => webSocket.terminate())));
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  t.teardown(async () => {
    server.close();
    await rm(directory, { recursive: true });
  });
  await t.throwsAsync(new AgentClient(socketPath).run(runOf('true')), {
    instanceOf: ClientError,
    code: 'unavailable',
    message: `the agent on ${socketPath} closed the connection: the process is no longer attached`,
  });
});
