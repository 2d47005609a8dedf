/**
 * One inner process of a rootless agent, from its start to its end, as the outer process sees it.
 *
 * unshare(1) executes the program in its own place, so the IPC channel (descriptor 3) reaches it: agent/lifecycle/messages.ts and the gateway's
 * messages share it. The next descriptor is the one that sockets come over. It inherits the agent's locks too. Should the outer process be
 * killed, the inner one sees the channel close and shuts down, and until it has, no second agent starts.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { descriptorChannel } from '../../kernel/run/descriptor-channel.js';
import { start } from '../../kernel/run/runner.js';
import { systemClock } from '../../proxy/time/clock.js';
import { withoutSecrets } from '../cluster/secret.js';
import { OuterGateway } from '../gateway/outer.js';
import type { KeptSockets } from '../gateway/kept-sockets.js';
import type { HostGateway } from '../host-gateway.js';
import { UplinkSupervisor } from '../uplink/supervisor.js';
import { findTool } from './facts.js';
import { AgentFailedError, asLifecycleMessage, endText, whenEnded, type LifecycleMessage, type ProcessEnd } from './messages.js';
import { killProcessesIn, namespaceId, type NamespaceId } from './processes.js';
import { INNER_COMMAND, type Program } from './program.js';
import type { AgentSettings } from './running.js';

export interface InnerOptions {
  readonly settings: AgentSettings;
  readonly lockFds: readonly number[];
  readonly program: Program;
  readonly local: HostGateway;
  readonly kept: KeptSockets;
}

export class InnerProcess {
  /** Resolves when the agent inside answers on its socket. Rejects with AgentFailedError. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended and nothing lives in its namespaces: with why, unless it ended in order. Never rejects. */
  readonly ended: Promise<AgentFailedError | undefined>;
  readonly #child: ChildProcess;
  #killed = false;
  #userNamespace: NamespaceId | undefined;
  #failure: AgentFailedError | undefined;

  constructor(options: InnerOptions) {
    const channel = descriptorChannel();
    try {
      this.#child = startInner(options, channel.theirs);
    } finally {
      closeSync(channel.theirs);
    }
    const child = this.#child;
    new OuterGateway({ child, channel: channel.ours, local: options.local, kept: options.kept });
    // For this process's namespaces; it ends with it.
    new UplinkSupervisor(child, systemClock);
    let isReady: () => void = () => undefined;
    const becameReady = new Promise<void>((resolve) => (isReady = resolve));
    child.on('message', (message) => {
      // Whatever it says, it says from inside.
      this.#userNamespace ??= namespaceId(`/proc/${child.pid}/ns/user`);
      const heard = asLifecycleMessage(message);
      if (heard?.lifecycle === 'failed') this.#failure = AgentFailedError.from(heard);
      if (heard?.lifecycle === 'ready') isReady();
    });
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(new AgentFailedError(`unshare cannot be started: ${error.message}`)));
      void whenEnded(child)
        .then(async (how) => {
          await this.#sweep();
          return how.code === 0 && this.#failure === undefined && !this.#killed ? undefined : this.#causeOf(how);
        })
        .then(resolve, (error: unknown) => resolve(new AgentFailedError(error instanceof Error ? error.message : String(error))));
    });
    this.ready = Promise.race([
      becameReady,
      this.ended.then((failure) => {
        throw failure ?? new AgentFailedError('the agent ended before it was ready');
      }),
    ]);
    // Whoever waits for `ended` hears of it there.
    this.ready.catch(() => undefined);
  }

  shutdown(): void {
    const message: LifecycleMessage = { lifecycle: 'shutdown' };
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  kill(): void {
    this.#killed = true;
    this.#child.kill('SIGKILL');
  }

  #causeOf(how: ProcessEnd): AgentFailedError {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#killed) return new AgentFailedError('ended before it had shut down');
    return new AgentFailedError(`the inner agent process (pid ${this.#child.pid}) ${endText(how)}`);
  }

  /** Its network and mounts went with its namespaces, unless a process of its own survived it in there. */
  async #sweep(): Promise<void> {
    const own = namespaceId('/proc/self/ns/user');
    const theirs = this.#userNamespace;
    if (theirs === undefined || (own !== undefined && own.device === theirs.device && own.inode === theirs.inode)) return;
    await killProcessesIn('user', [theirs]);
  }
}

/** What is secret is not for its argument. */
function startInner({ settings, lockFds, program }: InnerOptions, channel: number): ChildProcess {
  const { request: open, env } = withoutSecrets(settings);
  return start(
    findTool('unshare') ?? 'unshare',
    ['--user', '--map-root-user', '--net', '--mount', process.execPath, ...process.execArgv, program.main, INNER_COMMAND, JSON.stringify(open)],
    { env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit', 'ipc', channel, ...lockFds] },
  );
}
