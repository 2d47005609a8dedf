/**
 * Services into tasks: carries out what overlay/service/reconcile decides, whenever something changes and when it asked to
 * be called again.
 */
import { NotFoundError } from '../../overlay/model/errors.js';
import type { Context } from '../../overlay/model/context.js';
import type { Action, Memory } from '../../overlay/service/reconcile.js';
import { reconcile } from '../../overlay/service/reconcile.js';
import { createTask, removeTask, stopTask } from '../../overlay/service/tasks.js';
import type { Store } from '../../overlay/store/store.js';
import type { Logger } from '../log.js';
import { Loop } from './loop.js';
import type { Mirror } from './mirror.js';

export class Orchestrator {
  readonly #loop: Loop;
  #memory: Memory = new Map();
  #cancelWake: (() => void) | undefined;

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
    this.#cancelWake?.();
    this.#cancelWake = wakeAt === undefined ? undefined : context.clock.after(wakeAt - now, () => this.request());
    // A failure of one (no address left for it) must not keep the others waiting.
    const results = await Promise.allSettled(actions.map((action) => this.#carryOut(action)));
    await mirror.caughtUp((await this.store.list('subnets')).revision);
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0) throw failures[0];
  }

  async #carryOut(action: Action): Promise<void> {
    try {
      if (action.type === 'create') await createTask(this.store, action.serviceId, action.slot, this.context);
      else if (action.type === 'stop') await stopTask(this.store, action.taskId);
      else await removeTask(this.store, action.taskId);
      this.log.debug('service reconciled', { ...action });
    } catch (error) {
      // What it was about went away since the decision: the next pass decides on what is there.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}
