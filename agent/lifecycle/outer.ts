/**
 * Mode rootless, seen from outside: this process stays in the caller's namespaces as the gateway, and the agent runs in a
 * child of it, in a user, network and mount namespace of its own (inner-process.ts).
 *
 * A child that dies is followed by another, which gets the very sockets that the first one had: whoever connects meanwhile waits, and is
 * not refused. Its tasks died with it; the next one starts them again, the same ones. restarts.ts says when that is hopeless. This process
 * keeps no privilege that it does not need for that (gateway-privileges.ts).
 */
import { closeSync } from 'node:fs';
import { systemClock } from '../../proxy/time/clock.js';
import { KeptSockets } from '../gateway/kept-sockets.js';
import { LocalGateway } from '../gateway/local.js';
import type { Logger } from '../log.js';
import { givePrivilegesUp } from '../../kernel/run/privileges.js';
import { cleanUp } from './clean-up.js';
import { privilegeFacts } from './facts.js';
import { keptCapabilities } from './gateway-privileges.js';
import { namePrefix } from './identity.js';
import { InnerProcess } from './inner-process.js';
import { AgentFailedError } from './messages.js';
import type { Program } from './program.js';
import { Restarts } from './restarts.js';
import { agentLogger, type AgentSettings, type RunningAgent } from './running.js';

/** Milliseconds that a new inner process has, from when it is ready, to ask for a socket of the one before. */
const CLAIM_MS = 30_000;

/** Rejects with AgentFailedError when the first inner process did not start; its own message then. */
export async function startRootless(settings: AgentSettings, lockFds: readonly number[], program: Program): Promise<RunningAgent> {
  const agent = new RootlessAgent(settings, lockFds, program);
  await agent.started;
  return agent;
}

class RootlessAgent implements RunningAgent {
  readonly started: Promise<void>;
  readonly closed: Promise<void>;
  readonly #local = new LocalGateway();
  readonly #kept = new KeptSockets(closeSync);
  readonly #restarts = new Restarts(systemClock);
  readonly #log: Logger;
  #inner: InnerProcess;
  /** Nothing is to be started any more. */
  #ending = false;
  #endPause: () => void = () => undefined;

  constructor(
    private readonly settings: AgentSettings,
    private readonly lockFds: readonly number[],
    private readonly program: Program,
  ) {
    this.#log = agentLogger(settings);
    // Before there is an inner process: what the first one can do without, every other can.
    givePrivilegesUp(keptCapabilities(privilegeFacts()));
    this.#inner = this.#start(false);
    this.started = this.#inner.ready;
    this.closed = this.#supervise().finally(async () => {
      this.#kept.closeAll();
      await this.#local.close();
    });
    // Who waits for the start hears of its failure there.
    this.closed.catch(() => undefined);
  }

  shutdown(): void {
    this.#ending = true;
    this.#inner.shutdown();
    this.#endPause();
  }

  kill(): void {
    this.#ending = true;
    this.#inner.kill();
    this.#endPause();
  }

  #start(again: boolean): InnerProcess {
    const { settings, lockFds, program } = this;
    return new InnerProcess({ settings: again ? { ...settings, again: true } : settings, lockFds, program, local: this.#local, kept: this.#kept });
  }

  async #supervise(): Promise<void> {
    let wasReady = false;
    const first = this.#inner;
    void first.ready.then(() => (wasReady = true), () => undefined);
    for (;;) {
      const failure = await this.#inner.ended;
      if (failure === undefined) return;
      // One that never ran would not the next time, either.
      if (this.#ending || !wasReady) throw failure;
      const pause = this.#restarts.died();
      if (pause === undefined) {
        await this.#cleanUp();
        throw this.#hopeless(failure);
      }
      this.#log.error(`${failure.message}: starting it again`, { pause });
      this.#kept.orphan();
      if (await this.#paused(pause)) return;
      await this.#startAgain();
    }
  }

  async #startAgain(): Promise<void> {
    await this.#cleanUp();
    this.#restarts.started();
    const inner = this.#start(true);
    this.#inner = inner;
    // Asked to end while it was cleaned up.
    if (this.#ending) inner.shutdown();
    void inner.ready.then(
      () => {
        this.#log.info('the inner agent process is ready again', { sockets: this.#kept.size });
        systemClock.after(CLAIM_MS, () => this.#closeUnclaimed(inner));
      },
      () => undefined,
    );
  }

  /** Of what an inner process has left that died. */
  async #cleanUp(): Promise<void> {
    const { paths, identity } = this.settings;
    await cleanUp(paths, namePrefix(identity));
  }

  /** Unless that is by now another one's affair. */
  #closeUnclaimed(inner: InnerProcess): void {
    if (this.#inner !== inner || this.#ending) return;
    const closed = this.#kept.closeUnclaimed();
    if (closed.length > 0) this.#log.warn('ports that are published no more are closed', { ports: closed });
  }

  /** Answers whether the end came first. */
  #paused(ms: number): Promise<boolean> {
    if (this.#ending) return Promise.resolve(true);
    return new Promise((resolve) => {
      // Nothing else may keep this process alive meanwhile.
      const timer = setTimeout(() => resolve(false), ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #hopeless(last: AgentFailedError): AgentFailedError {
    const again = `\`vipmesh up${this.settings.paths.stateOption}\` starts it again, its state is kept`;
    return new AgentFailedError(`the inner agent process died ${this.#restarts.deaths} times in a row shortly after its start, the last time: ${last.message}. See the log above for the cause; ${again}`);
  }
}
