/**
 * An agent on a test host, started and asked through the real command line: `main.js up`, and every other command as a
 * user types it. Where a scenario waits for something it asks the same API directly, which is cheaper than a process each.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { AgentClient } from '../../../../agent/api/client.js';
import type { ModeRequest } from '../../../../agent/lifecycle/modes.js';
import { clientSocket } from '../../../../agent/lifecycle/paths.js';
import { childrenOf } from '../../../../agent/tasks/process-tree.js';
import type { TaskObject } from '../../../../overlay/model/object.js';
import { ChildProgram, says as saysWithin, type Outcome, type Running } from '../../../support/program.js';
import { runningTasks, settledTasks } from '../../../support/settled.js';
import { IN_GUEST, runHere, TaskHere } from './here.js';

const MAIN = fileURLToPath(new URL('../../../../agent/cli/main.js', import.meta.url));
const ENDPOINT_SERVER = fileURLToPath(new URL('../../../support/endpoint-server.js', import.meta.url));

/** Milliseconds for what takes a second on an idle machine: a busy one takes twenty times as long, now and then. */
export const SOON = { timeout: IN_GUEST ? 240_000 : 90_000 };
/** The same, where a look makes the agent ask the kernel, by processes: they are not to keep a slow machine from what is waited for. */
export const ASKED = { ...SOON, interval: IN_GUEST ? 1500 : 500 };

export type { Outcome, Running };

/** Waits for text on its output; an end before that is a failure. */
export const says = (running: Running, text: string | RegExp): Promise<void> => saysWithin(running, text, SOON);

/** A command in a task of its own, by `vipmesh run`. */
export function inTask(network: string, ...command: string[]): Running {
  return IN_GUEST ? new TaskHere(network, command) : Command.vipmesh('run', '--rm', '--network', network, '--', ...command);
}

/** One that is a process of its own. */
export class Command extends ChildProgram {
  static vipmesh(...args: string[]): Command {
    return new Command(process.execPath, [MAIN, ...args]);
  }

  says(text: string | RegExp): Promise<void> {
    return says(this, text);
  }
}

/** Runs `vipmesh ARGS` to its end. */
export function run(...args: string[]): Promise<Outcome> {
  return IN_GUEST ? runHere(args) : Command.vipmesh(...args).ended;
}

/** The same, which must succeed; answers its output. */
export async function vipmesh(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 0, `vipmesh ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** The same, which must fail with exit code 1; answers what it says. */
export async function refused(...args: string[]): Promise<string> {
  const { code, stderr } = await run(...args);
  assert.equal(code, 1, `vipmesh ${args.join(' ')} should fail: ${stderr}`);
  assert.doesNotMatch(stderr, /^\s+at /m, 'no stack');
  return stderr;
}

/** The command of an endpoint server that answers with its host name, for `service create -- …`. Port 53 is the agent's. */
export const SERVE = ['sh', '-c', `exec ${process.execPath} ${ENDPOINT_SERVER} $HOSTNAME 5300`];

const USERSPACE = ['--offload', 'never'];

export class MeshAgent {
  readonly api = new AgentClient(clientSocket({ env: process.env, uid: process.getuid?.() ?? 0 }));

  private constructor(readonly command: Command) {}

  /** Starts `vipmesh up` in the foreground and waits until it says that it is up. Traffic stays in userspace unless `options` say otherwise. */
  static async up(mode: ModeRequest = 'auto', options: readonly string[] = USERSPACE): Promise<MeshAgent> {
    const agent = MeshAgent.begin(mode, options);
    await agent.command.says('is up');
    return agent;
  }

  /** The same without the waiting. */
  static begin(mode: ModeRequest = 'auto', options: readonly string[] = USERSPACE): MeshAgent {
    return new MeshAgent(Command.vipmesh('up', '--mode', mode, ...options));
  }

  /** As `up`, on a host of another name: as root. */
  static async upRenamed(hostName: string): Promise<MeshAgent> {
    const agent = new MeshAgent(new Command('unshare', ['--uts', 'sh', '-c', `hostname ${hostName} && exec "$0" "$@"`, process.execPath, MAIN, 'up']));
    await agent.command.says('is up');
    return agent;
  }

  /** The foreground process: the agent itself as root, its outer half without. */
  get pid(): number {
    return this.command.child.pid ?? assert.fail('it was not started');
  }

  /** Of a rootless agent. */
  get innerPid(): number {
    const [inner] = childrenOf(this.pid);
    return inner ?? assert.fail('it has no inner process');
  }

  async kill(): Promise<Outcome> {
    process.kill(this.pid, 'SIGKILL');
    return this.command.ended;
  }

  /** Ctrl-C. Must end with 0 and without a word of failure. */
  async stop(): Promise<void> {
    this.command.child.kill('SIGINT');
    const { code, stderr } = await this.command.ended;
    assert.equal(code, 0, stderr);
  }

  /** The live tasks of a service: told to run and running. */
  running(service: string): Promise<TaskObject[]> {
    return runningTasks(this.api, service);
  }

  /** Waits until `service` has exactly so many live tasks, and no others on their way. */
  settles(service: string, replicas: number): Promise<TaskObject[]> {
    return settledTasks(this.api, service, replicas, SOON);
  }

  /** Its VIP on `network`. */
  async vip(service: string, network: string): Promise<string> {
    const [{ id }, { vips }] = await Promise.all([this.api.network(network), this.api.service(service)]);
    return vips.find((vip) => vip.networkId === id)?.address ?? assert.fail(`${service} has no VIP on ${network}`);
  }
}
