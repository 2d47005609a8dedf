/**
 * How long connections live on that are half closed.
 */
import assert from 'node:assert/strict';
import { Command, MeshAgent, vipmesh } from './support/mesh-agent.js';

async function startMesh(): Promise<MeshAgent> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'overlay1');
  return agent;
}

const inTask = (...command: string[]): Command => Command.vipmesh('run', '--rm', '--network', 'overlay1', '--', ...command);

/** Milliseconds. */
const HALF_CLOSED = 90_000;

/** Answers a word so long after the client has said all that it had to say. */
const LATE = `require('node:net').createServer({ allowHalfOpen: true }, (socket) => socket.resume().on('end', () => setTimeout(() => socket.end('late'), ${HALF_CLOSED}))).listen(9)`;

/** A connection that is half closed has the time of an established one, not of one that is ending (RFC 5382, REQ-5; RFC 1122 4.2.2.13). */
export async function halfClosed(): Promise<void> {
  const agent = await startMesh();
  await vipmesh('service', 'create', '--name', 'patient', '--network', 'overlay1', '--flow-timeout', 'transitory=10s', '--', process.execPath, '-e', LATE);
  const begun = performance.now();
  const client = inTask('sh', '-c', `nc -N -w ${(2 * HALF_CLOSED) / 1000} patient 9 < /dev/null`);
  const { code, stdout, stderr } = await client.ended;
  assert.deepEqual([code, stdout], [0, 'late'], stderr);
  assert.ok(performance.now() - begun >= HALF_CLOSED);
  await agent.stop();
}
