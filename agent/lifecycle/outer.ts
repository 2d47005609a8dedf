/**
 * Mode rootless, seen from outside: this process stays in the caller's namespaces as the gateway, and the agent runs in a
 * child of it, in a user, network and mount namespace of its own.
 *
 * unshare(1) executes the child in its own place, so the IPC channel (descriptor 3) reaches it: the gateway hands sockets
 * over on it, and agent/lifecycle/messages.ts travels beside them. The child inherits the agent's locks too. Should this
 * process be killed, the child sees the channel close and shuts down, and until it has, no second agent starts.
 */
import type { ChildProcess } from 'node:child_process';
import { start } from '../../kernel/run/runner.js';
import { LocalGateway } from '../gateway/local.js';
import { OuterGateway } from '../gateway/outer.js';
import { findTool } from './facts.js';
import { AgentFailedError, asLifecycleMessage, endText, whenEnded, type LifecycleMessage, type ProcessEnd } from './messages.js';
import { killProcessesIn, namespaceId, type NamespaceId } from './processes.js';
import { INNER_COMMAND, type Program } from './program.js';
import type { AgentSettings, RunningAgent } from './running.js';

/** Rejects with AgentFailedError when the inner process did not start; its own message then. */
export async function startRootless(settings: AgentSettings, lockFds: readonly number[], program: Program): Promise<RunningAgent> {
  const child = start(
    findTool('unshare') ?? 'unshare',
    ['--user', '--map-root-user', '--net', '--mount', process.execPath, ...process.execArgv, program.main, INNER_COMMAND, JSON.stringify(settings)],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...lockFds] },
  );
  const gateway = new OuterGateway(child, new LocalGateway());
  const inner = new InnerProcess(child, settings.paths.stateOption);
  try {
    await inner.ready;
  } catch (error) {
    await gateway.close();
    throw error;
  }
  return {
    closed: inner.ended.finally(() => gateway.close()),
    shutdown: () => inner.shutdown(),
    kill: () => inner.kill(),
  };
}

class InnerProcess {
  /** Resolves when the agent inside answers on its socket. Rejects with AgentFailedError. */
  readonly ready: Promise<void>;
  /** Resolves after an orderly end, rejects with AgentFailedError after any other. */
  readonly ended: Promise<void>;
  #killed = false;
  #userNamespace: NamespaceId | undefined;
  #failure: AgentFailedError | undefined;

  constructor(
    private readonly child: ChildProcess,
    private readonly stateOption: string,
  ) {
    let isReady: () => void = () => undefined;
    const becameReady = new Promise<void>((resolve) => (isReady = resolve));
    child.on('message', (message) => {
      const heard = asLifecycleMessage(message);
      if (heard?.lifecycle === 'failed') this.#failure = AgentFailedError.from(heard);
      if (heard?.lifecycle !== 'ready') return;
      this.#userNamespace = namespaceId(`/proc/${child.pid}/ns/user`);
      isReady();
    });
    this.ended = new Promise<void>((resolve, reject) => {
      child.once('error', (error) => reject(new AgentFailedError(`unshare cannot be started: ${error.message}`)));
      void whenEnded(child)
        .then(async (how) => {
          await this.sweep();
          if (how.code !== 0 || this.#failure !== undefined || this.#killed) throw this.failure(how);
        })
        .then(resolve, reject);
    });
    this.ready = Promise.race([
      becameReady,
      this.ended.then(() => {
        throw new AgentFailedError('the agent ended before it was ready');
      }),
    ]);
    // Whoever waits for `ready` hears of a failed start there.
    this.ended.catch(() => undefined);
  }

  shutdown(): void {
    const message: LifecycleMessage = { lifecycle: 'shutdown' };
    if (this.child.connected) this.child.send(message, () => undefined);
  }

  kill(): void {
    this.#killed = true;
    this.child.kill('SIGKILL');
  }

  private failure(how: ProcessEnd): AgentFailedError {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#killed) return new AgentFailedError('ended before it had shut down');
    return new AgentFailedError(
      `the inner agent process (pid ${this.child.pid}) ${endText(how)}: \`vipmesh up${this.stateOption}\` starts it again, its state is kept`,
    );
  }

  /** Its network and mounts went with its namespaces, unless a process of its own survived it in there. */
  private async sweep(): Promise<void> {
    const own = namespaceId('/proc/self/ns/user');
    const theirs = this.#userNamespace;
    if (theirs === undefined || (own !== undefined && own.device === theirs.device && own.inode === theirs.inode)) return;
    await killProcessesIn('user', [theirs]);
  }
}

