/**
 * Services into tasks: carries out what overlay/service/reconcile decides, whenever something changes and when it asked to
 * be called again.
 */
import { ModelError, NotFoundError } from '../../overlay/model/errors.js';
import type { Context } from '../../overlay/model/context.js';
import type { Action, Memory } from '../../overlay/service/reconcile.js';
import { reconcile } from '../../overlay/service/reconcile.js';
import { createTask, removeTask, stopTask } from '../../overlay/service/tasks.js';
import type { Store } from '../../overlay/store/store.js';
import type { Logger } from '../log.js';
import { Loop } from './loop.js';
import type { Mirror } from './mirror.js';

/** What stands in a service's way (no address left) is tried again this often even if nothing changes. */
const RETRY_MS = 5000;

export class Orchestrator {
  readonly #loop: Loop;
  #memory: Memory = new Map();
  #cancelWake: (() => void) | undefined;
  #problems: ReadonlyMap<string, string> = new Map();

  constructor(
    private readonly store: Store,
    private readonly mirror: Mirror,
    private readonly context: Context,
    private readonly log: Logger,
  ) {
    this.#loop = new Loop(
      () => this.#pass(),
      context.clock,
      (error) => log.error('reconciling services failed, trying again', { err: error }),
    );
  }

  /** Why a service has fewer tasks than it should, by the service's id. */
  get problems(): ReadonlyMap<string, string> {
    return this.#problems;
  }

  request(): void {
    this.#loop.request();
  }

  async close(): Promise<void> {
    this.#cancelWake?.();
    await this.#loop.close();
  }

  async #pass(): Promise<void> {
    const { mirror, context } = this;
    const now = context.clock.wall();
    const { actions, wakeAt, memory } = reconcile([...mirror.services.values()], [...mirror.tasks.values()], this.#memory, now);
    this.#memory = memory;
    const problems = new Map<string, string>();
    // What stands in the way of one service must not keep the others waiting.
    const results = await Promise.allSettled(actions.map((action) => this.#carryOut(action, problems)));
    for (const [id, problem] of problems) {
      const service = mirror.services.get(id)?.spec.name;
      if (this.#problems.get(id) !== problem) this.log.warn('a service does not get all of its tasks', { service, problem });
    }
    this.#problems = problems;
    const again = Math.min(wakeAt ?? Infinity, problems.size > 0 ? now + RETRY_MS : Infinity);
    this.#cancelWake?.();
    this.#cancelWake = again === Infinity ? undefined : context.clock.after(again - now, () => this.request());
    await mirror.caughtUp((await this.store.list('subnets')).revision);
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0) throw failures[0];
  }

  async #carryOut(action: Action, problems: Map<string, string>): Promise<void> {
    try {
      if (action.type === 'create') await createTask(this.store, action.serviceId, action.slot, this.context);
      else if (action.type === 'stop') await stopTask(this.store, action.taskId);
      else await removeTask(this.store, action.taskId);
      this.log.debug('service reconciled', { ...action });
    } catch (error) {
      // What it was about went away since the decision: the next pass decides on what is there.
      if (error instanceof NotFoundError) return;
      if (!(error instanceof ModelError) || action.type !== 'create') throw error;
      problems.set(action.serviceId, error.message);
    }
  }
}
