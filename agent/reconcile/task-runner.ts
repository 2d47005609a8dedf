/**
 * One task on this node, from its place there to its last process; or from where an agent before us was killed.
 *
 *   starting ──► up ──► draining ──► stopping ──► ended
 *       └─────────┴─────────┴────────────┴──────────▲        (a task that fails to start, or ends by itself)
 *
 * starting  its home (network namespace, interfaces, name server), process; then, when it has a health check, until that succeeds
 * up        takes part in balancing as project.ts says. A task that has outlived its agent is up at once: what there is of it is
 *           taken over; if its links are not what they were, it is ended and started anew
 * draining  told to stop: the node has applied that no new flow comes here *before* anything is done to the process.
 *           Established flows go on until they end or the drain time does
 * stopping  its endpoint is gone, and flows that it still had were ended on both sides; then SIGTERM, grace, SIGKILL
 * ended     nothing of it is left on the machine
 *
 * Whatever happens is told at once through `onChange` (the balancer must know within milliseconds) and then, for the
 * store, through `onStatus`.
 */
import type { Health, TaskObject, TaskState, TaskStatus } from '../../overlay/model/object.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import type { Survivor } from '../tasks/survivors.js';
import type { TaskOutput, TaskProcess } from '../tasks/task.js';
import { adoptTask } from '../tasks/task.js';
import { watchHealth } from '../tasks/health.js';
import { timeToListen, waitUntilListening } from '../tasks/readiness.js';
import type { TaskHome } from './premises.js';
import type { LiveTask } from './project.js';
import type { StopSteps } from './stop-order.js';
import { stopInOrder } from './stop-order.js';

/** What a runner sees of its task; when the state began is noted by whoever stores it. */
export type ObservedStatus = Omit<TaskStatus, 'since' | 'health'> & { readonly health?: Health };

export interface RunnerContext {
  readonly clock: Clock;
  readonly log: Logger;
  readonly home: TaskHome;
  /** Flows that the balancer and the relay have toward the task, as far as a drain waits for them. */
  flowsTo(task: TaskObject): Promise<number>;
  /** Milliseconds that the task's flows may go on once it is to stop. */
  drainTimeout(task: TaskObject): number;
  /** Resolves when what is live now has reached the balancer, the relay and the name server. */
  applied(): Promise<void>;
  /** Resolves when every other node knows that the task takes no new flow, or has had its time; at once when the signal aborts. */
  acknowledged(task: TaskObject, signal: AbortSignal): Promise<void>;
  onChange(): void;
  onStatus(task: TaskObject, observed: ObservedStatus): void;
}

export interface RunnerOptions {
  readonly output: TaskOutput;
  /** The task is only `running` once it listens (or had the time to): it is known of its service that its tasks do. */
  readonly expectListener: boolean;
  /** It goes on when the agent is killed. */
  readonly outlives: boolean;
  /** What there is of it already. */
  readonly survivor?: Survivor | undefined;
}

/** `fits`: the process goes on, or has ended by itself. Otherwise it is to be ended. */
interface TakenOver {
  readonly process: TaskProcess;
  readonly fits: boolean;
}

type Phase = 'starting' | 'up' | 'draining' | 'stopping' | 'ended';

export class TaskRunner {
  #phase: Phase = 'starting';
  #healthy: boolean;
  #ready = false;
  #listens = false;
  /** The store knows that it does. */
  #toldListens = false;
  #process: TaskProcess | undefined;
  #state: TaskState = 'pending';
  #told: ObservedStatus | undefined;
  #stopping: Promise<void> | undefined;
  /** Its endpoint is gone, though its process is not. */
  #left = false;
  /** The shortest that was asked for. */
  #graceMs = Infinity;
  readonly #hurry = new AbortController();
  /** Why it ends without having been asked to. */
  #failure: { message: string; exitCode?: number } | undefined;
  readonly #abort = new AbortController();
  /** Resolves when a task that outlived its agent takes part again, or when it is known why it cannot. Never rejects. */
  readonly takenOver: Promise<TakenOver | undefined>;
  /** Resolves with the process, or undefined when it could not be started. Never rejects. */
  readonly started: Promise<TaskProcess | undefined>;
  /** Resolves when nothing is left of the task. Never rejects. */
  readonly ended: Promise<void>;

  constructor(
    readonly task: TaskObject,
    private readonly context: RunnerContext,
    private readonly options: RunnerOptions,
  ) {
    this.#healthy = task.spec.healthcheck === undefined;
    this.takenOver = options.survivor ? this.#takeOver(options.survivor) : Promise.resolve(undefined);
    this.started = this.#start();
    this.ended = this.started.then((process) => this.#supervise(process));
  }

  /** What the projections see of it: nothing before there is a process and after it has ended. */
  get live(): LiveTask | undefined {
    if (this.#process === undefined || this.#phase === 'ended' || this.#left) return undefined;
    return {
      task: this.task,
      phase: this.#phase === 'draining' || this.#phase === 'stopping' ? 'draining' : 'up',
      healthy: this.#healthy,
      ready: this.#ready,
      listens: this.#listens,
      remote: false,
    };
  }

  /** Takes no new flow any more, and waits for those that it has. */
  get draining(): boolean {
    return this.#phase === 'draining';
  }

  /** Why it could not be started, or was ended for. */
  get failure(): { readonly message: string; readonly exitCode?: number } | undefined {
    return this.#failure;
  }

  /** All that was told of it through `onStatus`, as one. */
  get told(): ObservedStatus | undefined {
    return this.#told;
  }

  /** Something was seen to listen in it. */
  get listens(): boolean {
    return this.#listens;
  }

  get process(): TaskProcess | undefined {
    return this.#process;
  }

  /**
   * Ends the task: drain (unless `drain` is false), SIGTERM, grace, SIGKILL. May be called again: then what is under way
   * drains no longer if `drain` is false, and the shortest grace counts. Resolves when nothing is left. `message` says why,
   * for the task's status.
   */
  stop(options: { readonly drain: boolean; readonly graceMs?: number; readonly message?: string }): Promise<void> {
    const { drain, graceMs = this.task.spec.stopGracePeriod, message } = options;
    if (!drain) this.#hurry.abort();
    if (graceMs < this.#graceMs) {
      this.#graceMs = graceMs;
      if (this.#phase === 'stopping') void this.#process?.stop(graceMs);
    }
    this.#stopping ??= this.#stop(message);
    return this.#stopping;
  }

  async #stop(message: string | undefined): Promise<void> {
    const process = await this.started;
    if (process && this.#phase !== 'ended') {
      const steps: StopSteps = {
        withdraw: () => this.#withdraw(message),
        flowsLeft: () => this.context.flowsTo(this.task),
        drainTimeout: () => this.context.drainTimeout(this.task),
        leave: () => this.#leave(),
        terminate: () => this.#terminate(process),
        exited: process.exited,
        hurry: this.#hurry.signal,
      };
      await stopInOrder(steps, this.context.clock);
    }
    await this.ended;
  }

  async #withdraw(message: string | undefined): Promise<void> {
    this.#phase = 'draining';
    this.#abort.abort();
    this.context.onChange();
    // In this order: whoever sees `stopping` can rely on it that no new flow comes here.
    await this.context.applied();
    this.#observe({ state: 'stopping', ...(message !== undefined && { message }) });
    await this.context.acknowledged(this.task, this.#hurry.signal);
  }

  async #leave(): Promise<void> {
    this.#left = true;
    this.context.onChange();
    await this.context.applied();
  }

  async #terminate(process: TaskProcess): Promise<void> {
    if (this.#phase === 'draining') this.#phase = 'stopping';
    await process.stop(this.#graceMs);
  }

  async #start(): Promise<TaskProcess | undefined> {
    const found = await this.takenOver;
    if (!found) return this.#startAnew();
    if (found.fits) return found.process;
    await found.process.stop(Math.min(this.task.spec.stopGracePeriod, this.#graceMs));
    if (this.#stopping !== undefined) return found.process;
    await this.#cleanUp();
    return this.#startAnew();
  }

  async #takeOver(survivor: Survivor): Promise<TakenOver> {
    const { task, context } = this;
    const running = survivor.condition === 'running';
    const process = adoptTask(survivor, context.clock);
    try {
      await context.home.reopen();
    } catch (error) {
      if (running) {
        context.log.warn(`task ${task.name} cannot be taken over and is started anew: ${error instanceof Error ? error.message : String(error)}`);
        return { process, fits: false };
      }
    }
    if (running) {
      this.#state = task.status.state;
      this.#healthy ||= task.status.health === 'healthy';
      this.#enter(process);
    }
    return { process, fits: true };
  }

  async #startAnew(): Promise<TaskProcess | undefined> {
    const { task, context } = this;
    this.#observe({ state: 'starting' });
    try {
      const { output, outlives } = this.options;
      const process = await context.home.start({ output, outlives });
      this.#enter(process);
      return process;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const exitCode = error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number' ? error.exitCode : undefined;
      this.#failure = { message, ...(exitCode !== undefined && { exitCode }) };
      context.log.warn(`task ${task.name} did not start: ${message}`);
      return undefined;
    }
  }

  #enter(process: TaskProcess): void {
    this.#process = process;
    this.#phase = 'up';
    this.#watch(process);
  }

  /**
   * Health and readiness, from the start of its process on. A health command may well succeed before anything listens, so
   * one does not stand for the other.
   */
  #watch(process: TaskProcess): void {
    const { task, context } = this;
    const { signal } = this.#abort;
    const spec = task.spec.healthcheck;
    const health = !spec ? 'none' : this.#healthy ? 'healthy' : 'starting';
    // What an earlier agent was stopping already is not shown as running again, nor what it saw running as starting.
    if (this.#state !== 'stopping') this.#observe({ state: this.#state === 'running' ? 'running' : 'starting', health, pid: process.pid });
    const timeout = timeToListen(this.#state === 'running' ? task.status.since : undefined, context.clock.wall());
    void this.#rise();
    if (spec) watchHealth({ process, spec, clock: context.clock, signal, onChange: (health, detail) => this.#onHealth(health, detail) });
    void waitUntilListening({ pid: process.pid, clock: context.clock, signal, timeout, ...(context.home.sockets && { within: context.home.sockets }) }).then((readiness) => {
      if (signal.aborted || this.#phase !== 'up') return;
      this.#ready = true;
      this.#listens = readiness === 'listening';
      void this.#rise();
    });
  }

  /** Applies what it has become, then notes it, in this order: whoever sees `running` can rely on it that new flows come here. */
  async #rise(health?: Health): Promise<void> {
    // As of now: what it becomes meanwhile is applied and noted by another call.
    const state = this.#state === 'running' || (this.#healthy && (this.#ready || !this.options.expectListener)) ? 'running' : 'starting';
    this.context.onChange();
    await this.context.applied();
    if (this.#phase !== 'up' || this.#state === 'stopping' || this.#failure !== undefined) return;
    const listens = this.#listens && !this.#toldListens;
    if (health === undefined && state === this.#state && !listens) return;
    this.#toldListens ||= listens;
    this.#observe({ state, ...(health !== undefined && { health }), ...(listens && { listens }) });
  }

  #onHealth(health: Health, detail: string): void {
    if (this.#phase !== 'up') return;
    this.#healthy = health === 'healthy';
    if (health === 'healthy') void this.#rise(health);
    else {
      this.#observe({ state: this.#state, health });
      this.context.onChange();
      const message = `unhealthy: its health check failed${detail === '' ? '' : `: ${detail}`}`;
      this.#failure = { message };
      void this.stop({ drain: true, message });
    }
  }

  async #supervise(process: TaskProcess | undefined): Promise<void> {
    const exit = await process?.exited;
    const asked = this.#stopping !== undefined && this.#failure === undefined;
    this.#phase = 'ended';
    this.#process = undefined;
    this.#abort.abort();
    // In this order: no new flow is given to what is being taken down, nor to what is shown as ended.
    await this.context.applied();
    await this.#cleanUp();
    const exitCode = exit?.exitCode ?? this.#failure?.exitCode;
    const message = this.#failure?.message ?? (exitCode !== undefined && exitCode !== 0 && !asked ? describeExit(exitCode) : undefined);
    this.#observe({
      state: asked ? 'shutdown' : exitCode === 0 && !this.#failure ? 'complete' : 'failed',
      ...(exitCode !== undefined && { exitCode }),
      ...(message !== undefined && { message }),
    });
  }

  async #cleanUp(): Promise<void> {
    const { task, context } = this;
    for (const step of context.home.leave()) {
      try {
        await step();
      } catch (error) {
        context.log.warn(`task ${task.name}: clean-up went on after: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  #observe(observed: ObservedStatus): void {
    this.#state = observed.state;
    this.#told = { ...this.#told, ...observed };
    this.context.onStatus(this.task, observed);
  }
}

function describeExit(exitCode: number): string {
  return exitCode > 128 ? `ended by signal ${exitCode - 128}` : `exited with status ${exitCode}`;
}
