/**
 * What users and other tools do to an agent without meaning harm, or with it: services that are gone before they are there,
 * commands that cannot be spawned, devices removed under a network, readers that take their time.
 */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { pollUntil } from '../../support/poll-until.js';
import { pinnedNamespaces } from './support/host-state.js';
import { Command, MeshAgent, run, SERVE, SOON, vipmesh } from './support/mesh-agent.js';

/** Files that the process has open although they are deleted. */
function deletedFiles(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return target.endsWith('(deleted)') ? [target] : [];
    } catch {
      return [];
    }
  });
}

export async function churn(): Promise<void> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'brief');
  for (let round = 0; round < 10; round++) {
    await agent.api.createService({ name: 'brief', task: { command: ['sleep', '1000'] }, networks: [{ network: 'brief', aliases: [] }], replicas: 3 });
    await agent.api.removeService('brief');
  }
  await pollUntil('no task is left', async () => (await agent.api.tasks()).length === 0, SOON);
  await vipmesh('network', 'rm', 'brief');
  await pollUntil('nor a log', () => deletedFiles(agent.pid).length === 0, SOON);
  await pollUntil('nor a namespace', () => pinnedNamespaces().every((name) => name.endsWith('-ingress')), SOON);
  await agent.stop();
}

export async function unspawnable(): Promise<void> {
  const agent = await MeshAgent.up();
  // Longer than execve(2) takes for one string (MAX_ARG_STRLEN, 128 KiB).
  const env = { LONG: 'x'.repeat(140_000) };
  await agent.api.createService({ name: 'long', task: { command: ['true'], env }, restart: { condition: 'none' } });
  const tasks = await pollUntil(
    'it has failed',
    async () => {
      const found = await agent.api.serviceTasks('long');
      return found.some(({ status }) => status.state === 'failed') ? found : undefined;
    },
    SOON,
  );
  assert.equal(tasks.length, 1);
  assert.match(tasks[0]?.status.message ?? '', /E2BIG/);
  await vipmesh('service', 'rm', 'long');
  await agent.stop();
}

export async function removedTun(): Promise<void> {
  const agent = await MeshAgent.up();
  await vipmesh('network', 'create', 'hurt');
  await vipmesh('network', 'create', 'sound');
  await vipmesh('service', 'create', '--name', 'web', '--network', 'hurt', '--replicas', '2', '--', ...SERVE);
  const hurt = pinnedNamespaces().find((name) => name.endsWith('-hurt')) ?? assert.fail('it has a sandbox');
  assert.equal((await new Command('ip', ['-n', hurt, 'link', 'del', 'vip0']).ended).code, 0);
  await vipmesh('service', 'create', '--name', 'other', '--network', 'sound', '-p', '8099:80', '--', ...SERVE);
  assert.equal((await new Command('curl', ['-sS', '-m', '5', '127.0.0.1:8099']).ended).code, 0);
  const answers = async (): Promise<boolean> => (await run('run', '--rm', '--network', 'hurt', '--', 'curl', '-sS', '-m', '2', 'web')).code === 0;
  await pollUntil('the VIP answers again', answers, SOON);
  // Set down, it has lost its routes.
  assert.equal((await new Command('ip', ['-n', hurt, 'link', 'set', 'vip0', 'down']).ended).code, 0);
  await pollUntil('it is up again, and answers', answers, SOON);
  const [task] = await agent.api.serviceTasks('web');
  assert.equal((await new Command('ip', ['-n', hurt, 'route', 'del', `${task?.addresses[0]?.address ?? ''}/32`]).ended).code, 0);
  await pollUntil('there is a route to the task again', async () => (await new Command('ip', ['-n', hurt, 'route', 'show', `${task?.addresses[0]?.address ?? ''}/32`]).ended).stdout !== '', SOON);
  await agent.stop();
}

export async function slowPipe(): Promise<void> {
  const agent = await MeshAgent.up();
  const env = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`VARIABLE_${index}`, 'x'.repeat(400)]));
  await agent.api.createService({ name: 'wordy', task: { command: ['true'], env }, replicas: 0 });
  const command = Command.vipmesh('service', 'inspect', 'wordy');
  // 400 KiB, of which a pipe holds 64: most of it is still to be written when the command has nothing else to do.
  command.child.stdout?.pause();
  await pollUntil('something is printed', () => (command.child.stdout?.readableLength ?? 0) > 0, SOON);
  command.child.stdout?.resume();
  const { code, stdout } = await command.ended;
  assert.equal(code, 0);
  const [service] = JSON.parse(stdout) as { spec: { task: { env: Record<string, string> } } }[];
  assert.deepEqual(service?.spec.task.env, env);
  await agent.stop();
}
