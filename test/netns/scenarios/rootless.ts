/**
 * A rootless agent, one of whose two processes is killed: as uid 65534.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { lockHolder } from '../../../agent/lifecycle/agent-lock.js';
import { resolvePaths } from '../../../agent/lifecycle/paths.js';
import { pollUntil } from '../../support/poll-until.js';
import { descendants, hostState, survivors } from './support/host-state.js';
import { MeshAgent, refused, SERVE, SOON, vipmesh } from './support/mesh-agent.js';
import { SteadyClient } from './support/steady.js';

const PORT = 8080;

/** What the service is to have again, whatever happened: its VIP, and the addresses of its tasks. */
async function addressesOf(agent: MeshAgent): Promise<string[]> {
  const tasks = await agent.settles('web', 2);
  return [await agent.vip('web', 'overlay1'), ...tasks.flatMap(({ addresses }) => addresses.map(({ address }) => address)).sort()];
}

async function answers(): Promise<boolean> {
  return fetch(`http://127.0.0.1:${PORT}/`, { headers: { connection: 'close' } }).then((response) => response.ok, () => false);
}

export async function kills(): Promise<void> {
  const before = hostState();
  let agent = await MeshAgent.up('rootless');
  await vipmesh('network', 'create', 'overlay1');
  await vipmesh('service', 'create', '--name', 'web', '--network', 'overlay1', '--replicas', '2', '-p', `${PORT}:80`, '--', ...SERVE);
  const known = await addressesOf(agent);

  // The inner process dies under a client: nobody is refused, and whoever comes afterwards is served.
  const client = await SteadyClient.onHost(PORT, SOON.timeout);
  const { innerPid } = agent;
  const dying = descendants(innerPid);
  process.kill(innerPid, 'SIGKILL');
  await pollUntil('it is dead', () => survivors(dying).length === 0 && !existsSync(`/proc/${innerPid}`), SOON);
  const diedAt = Date.now();
  await pollUntil('there is another', () => vipmesh('status').then((text) => !text.includes(`pid ${innerPid}`), () => false), SOON);
  assert.deepEqual(await addressesOf(agent), known);
  await pollUntil('the port answers', answers, SOON);
  const report = await client.stop();
  const late = report.failures.filter(({ at, error }) => report.startedAt + at > diedAt || error.includes('ECONNREFUSED'));
  assert.deepEqual(late, [], `only connections that the dead one had may have ended; it died at ${diedAt - report.startedAt}: ${agent.command.stderr}`);

  // A port that is published no more is closed at once, on both sides.
  await vipmesh('service', 'create', '--name', 'other', '-p', `${PORT + 1}:80`, '--', ...SERVE);
  await vipmesh('service', 'rm', 'other');
  await pollUntil('nobody listens', () => !hostState().sockets.some((line) => line.includes(`:${PORT + 1} `)), SOON);

  // The outer process dies: all goes, and the next one starts at once.
  const all = descendants(agent.pid);
  await agent.kill();
  await pollUntil('the lock is free', () => lockHolder(resolvePaths({ env: process.env, uid: process.getuid?.() ?? 0 })) === 'free', SOON);
  await pollUntil('everything ends', () => survivors(all).length === 0, SOON);
  await refused('status');
  agent = await MeshAgent.up('rootless');
  assert.deepEqual(await addressesOf(agent), known);
  await pollUntil('the port answers', answers, SOON);
  await agent.stop();
  await pollUntil('nothing is left', () => assert.deepEqual(hostState(), before) ?? true, SOON);
}
