/**
 * Which ports of the host are published, and which are not: on which addresses, of whose tasks, until when; and that a
 * refusal leaves nothing half-made.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { run } from '../../../kernel/run/runner.js';
import type { ServiceObject, TaskObject } from '../../../overlay/model/object.js';
import type { MachineUser } from '../../support/machine-users.js';
import { pollUntil } from '../../support/poll-until.js';
import { assertSameState, machineState, settledState } from './support/machine-state.js';
import { Machine } from './support/machine.js';

/** An address of the host besides those of loopback. */
const HOST_ADDRESS = '192.0.2.1';
/** curl: could not connect. */
const REFUSED = 7;

async function occupy(port: number): Promise<Server> {
  const server = createServer().listen(port, '0.0.0.0');
  await once(server, 'listening');
  return server;
}

export async function publishing(user: MachineUser): Promise<void> {
  const machine = Machine.setUp(user);
  await run('ip', ['address', 'add', `${HOST_ADDRESS}/32`, 'dev', 'lo']);
  const before = machineState();
  const agent = await machine.up();
  await machine.vipmesh('network', 'create', 'overlay1');
  const create = (name: string, ...options: string[]): string[] => ['service', 'create', '--name', name, '--network', 'overlay1', ...options, '--', ...machine.endpoint()];
  const fetch = (where: string): Promise<{ code: number | null; stdout: string }> => machine.attempt('curl', ['-sS', '--max-time', '20', `http://${where}/`]);
  const assertServed = async (where: string, ids: readonly string[]): Promise<void> => {
    const { stdout } = await fetch(where);
    assert.ok(ids.includes(stdout.split(' ')[0] ?? ''), `${where} answers: ${stdout}`);
  };
  const assertNotServed = async (where: string): Promise<void> => assert.equal((await fetch(where)).code, REFUSED, where);
  const idsOf = async (service: string): Promise<string[]> => (await machine.objects<TaskObject>('service', 'ps', '--running', service)).map(({ id }) => id);

  // Taken by another program: an error, and nothing half-made, not even the port that could be had.
  // The agent answers before it has made the network's sandbox.
  const quiet = await settledState();
  const other = await occupy(8088);
  assert.match(await machine.refused(...create('web', '-p', '8087:80', '-p', '8088:80')), /port 8088\/tcp/);
  await new Promise((resolve) => other.close(resolve));
  assert.deepEqual(await machine.objects('service', 'ls'), []);
  assert.deepEqual(await machine.objects('task', 'ls'), []);
  assertSameState(quiet, machineState());
  await assertNotServed('127.0.0.1:8087');

  // Free again: the same name and ports.
  await machine.vipmesh(...create('web', '-p', '8087:80', '-p', '8088:80'));
  const web = await idsOf('web');
  for (const where of ['127.0.0.1:8087', '127.0.0.1:8088', `${HOST_ADDRESS}:8087`, '[::1]:8088']) await assertServed(where, web);
  assert.match(await machine.refused(...create('web2', '-p', '8087:80')), /port 8087\/tcp[^]*web/);
  assert.match(await machine.refused(...create('web', '-p', '8086:80')), /web/);
  await assertNotServed('127.0.0.1:8086');
  assert.deepEqual((await machine.objects<ServiceObject>('service', 'ls')).map(({ spec }) => spec.name), ['web']);

  // One address only. The same port of another address is another one's.
  await machine.vipmesh(...create('local', '-p', '127.0.0.1:8081:80'));
  await assertServed('127.0.0.1:8081', await idsOf('local'));
  await assertNotServed(`${HOST_ADDRESS}:8081`);
  await assertNotServed('127.0.0.2:8081');
  await assertNotServed('[::1]:8081');
  await machine.vipmesh(...create('public', '-p', `${HOST_ADDRESS}:8081:80`));
  await assertServed(`${HOST_ADDRESS}:8081`, await idsOf('public'));
  await assertServed('127.0.0.1:8081', await idsOf('local'));

  // This node's own task, and a port that the agent chooses.
  await machine.vipmesh(...create('own', '-p', 'published=8082,target=80,mode=host', '-p', '80'));
  const own = await machine.object<ServiceObject>('service', 'inspect', 'own');
  const chosen = own.ports.find(({ mode }) => mode === 'ingress')?.published ?? assert.fail('no port was chosen');
  assert.ok(chosen >= 30_000 && chosen <= 32_767, `${chosen}`);
  for (const where of ['127.0.0.1:8082', `${HOST_ADDRESS}:8082`, `127.0.0.1:${chosen}`]) await assertServed(where, await idsOf('own'));

  // An update moves ports; a removal gives them back.
  const givenBack = (where: string): Promise<unknown> => pollUntil(`${where} is given back`, async () => (await fetch(where)).code === REFUSED, { timeout: 90_000 });
  await machine.vipmesh('service', 'update', '--publish-rm', '8087:80', '--publish-add', '8089:80', 'web');
  await givenBack('127.0.0.1:8087');
  for (const where of ['127.0.0.1:8088', '127.0.0.1:8089']) await assertServed(where, await idsOf('web'));
  await machine.vipmesh('service', 'rm', 'web');
  // The next service can have it at once; another program, as soon as the removal has come to the sockets.
  await machine.vipmesh(...create('heir', '-p', '8088:80'));
  await assertServed('127.0.0.1:8088', await idsOf('heir'));
  await machine.vipmesh('service', 'rm', 'heir');
  for (const freed of [8088, 8089]) {
    await givenBack(`127.0.0.1:${freed}`);
    (await occupy(freed)).close();
  }
  await machine.stop(agent);
  assertSameState(before, machineState());
}
