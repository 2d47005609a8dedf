/**
 * The uplink of a rootless node. The test host has a link to an outside, where a web server says who asks; the node's tasks ask it.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UplinkStatus } from '../../../agent/uplink/uplink.js';
import { childrenOf } from '../../../agent/tasks/process-tree.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import { createNamespace } from '../../../kernel/netns/netns.js';
import { start } from '../../../kernel/run/runner.js';
import { pollUntil } from '../../support/poll-until.js';
import { inTask, MeshAgent, SERVE, SOON, vipmesh, type Outcome } from './support/mesh-agent.js';

const HOST = '192.0.2.1';
const OUTSIDE = '192.0.2.2';
const SERVER = `require('http').createServer((request, response) => response.end('asked by ' + request.socket.remoteAddress)).listen(80, '${OUTSIDE}', () => console.log('listens'))`;

async function makeOutside(): Promise<void> {
  const outside = createNamespace(mkdtempSync(join(tmpdir(), 'netns-')), 'outside');
  await ipBatch(undefined, [`link add host0 type veth peer name outside0 netns ${outside.path}`, `addr add ${HOST}/24 dev host0`, 'link set host0 up', `route add default via ${OUTSIDE}`]);
  await ipBatch(outside, ['link set lo up', `addr add ${OUTSIDE}/24 dev outside0`, 'link set outside0 up']);
  const server = start(process.execPath, ['-e', SERVER], { netns: outside, stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    server.stdout?.once('data', resolve);
    server.once('exit', () => reject(new Error('the server outside has ended')));
  });
}

const ask = (network: string, address: string): Promise<Outcome> => inTask(network, 'curl', '-sS', '-m', '20', `http://${address}/`).ended;

async function status(agent: MeshAgent): Promise<UplinkStatus> {
  return (await agent.api.info()).uplink ?? assert.fail('an agent says how its uplink is');
}

/** The process of the agent's uplink: the outer process's other child. */
function programOf(agent: MeshAgent, name: string): number | undefined {
  return childrenOf(agent.pid).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').some((word) => word.endsWith(name)));
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** @param program `pasta` or `slirp4netns` */
export async function uplink(program: string): Promise<void> {
  await makeOutside();
  const agent = await MeshAgent.up('rootless', ['--uplink', program, '--offload', 'never']);
  assert.deepEqual(await status(agent), { state: 'up', program, restarts: 0 });
  assert.match(await vipmesh('status'), new RegExp(`^Uplink: +${program}$`, 'm'));
  await vipmesh('network', 'create', 'one');
  await vipmesh('network', 'create', 'two');
  await vipmesh('network', 'create', '--internal', 'closed');
  await vipmesh('service', 'create', '--name', 'there', '--network', 'two', '--', ...SERVE);
  const [task] = await agent.settles('there', 1);
  const answer = { code: 0, stdout: `asked by ${HOST}`, stderr: '' };
  const { code, stdout, stderr } = await ask('one', OUTSIDE);
  assert.deepEqual({ code, stdout, stderr }, answer);

  // 7: refused at once, not 28: silence.
  const others = await Promise.all([ask('one', task?.addresses[0]?.address ?? ''), ask('one', '169.254.78.1'), ask('closed', OUTSIDE)]);
  assert.deepEqual(others.map((outcome) => outcome.code), [7, 7, 7], others.map((outcome) => outcome.stderr).join(''));
  const { stdout: own } = await ask('two', 'there');
  assert.equal(own.split(' ')[0], task?.id);

  const first = programOf(agent, program) ?? assert.fail('it runs');
  process.kill(first, 'SIGKILL');
  await pollUntil('it is back', async () => { const { state, restarts } = await status(agent); return state === 'up' && restarts === 1; }, SOON);
  assert.equal((await ask('one', OUTSIDE)).stdout, answer.stdout);
  assert.match(await vipmesh('status'), new RegExp(`^Uplink: +${program}, started again 1 time$`, 'm'));

  const second = programOf(agent, program) ?? assert.fail('it runs');
  assert.notEqual(second, first);
  await agent.kill();
  await pollUntil('it has gone with the agent', () => !exists(second), SOON);
}

export async function none(): Promise<void> {
  await makeOutside();
  const agent = await MeshAgent.up('rootless', ['--uplink', 'none', '--offload', 'never']);
  assert.deepEqual(await status(agent), { state: 'none', problem: 'up --uplink none', restarts: 0 });
  assert.match(await vipmesh('status'), /^Uplink: +none, tasks reach their networks alone: up --uplink none$/m);
  await vipmesh('network', 'create', 'one');
  assert.equal((await ask('one', OUTSIDE)).code, 7);
  await agent.stop();
}
