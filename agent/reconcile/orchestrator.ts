/**
 * Services into tasks: carries out what overlay/service/reconcile decides, whenever something changes and when it asked to
 * be called again. Only while this node is elected to; what it writes says so.
 */
import { ModelError, NotFoundError } from '../../overlay/model/errors.js';
import type { Context } from '../../overlay/model/context.js';
import { timestamp } from '../../overlay/model/context.js';
import type { Action, Memory } from '../../overlay/service/reconcile.js';
import { reconcile } from '../../overlay/service/reconcile.js';
import { prune } from '../../overlay/service/prune.js';
import { noteUpdate, rollBackService } from '../../overlay/service/services.js';
import type { Place } from '../../overlay/service/tasks.js';
import { createTasks, removeTask, stopTask } from '../../overlay/service/tasks.js';
import { PROBLEMS, type Problems } from '../../overlay/store/keys.js';
import { FencedOffError } from '../../overlay/store/fenced.js';
import type { Store } from '../../overlay/store/store.js';
import type { Members } from '../cluster/members.js';
import type { Logger } from '../log.js';
import { Loop } from './loop.js';
import type { Mirror } from './mirror.js';

/** What stands in a service's way (no address left) is tried again this often even if nothing changes. */
const RETRY_MS = 5000;

export class Orchestrator {
  readonly #loop: Loop;
  #memory: Memory = new Map();
  #cancelWake: (() => void) | undefined;
  /** In the way of services, as the store was told last. */
  #problems: Problems = {};
  /** What it was elected with at the last pass. */
  #elected: Store | undefined;

  /** @param leadership its `store` is there while this node is elected @param members current with the mirror */
  constructor(
    private readonly leadership: { readonly store: Store | undefined },
    private readonly mirror: Mirror,
    private readonly members: Pick<Members, 'placementNodes'>,
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
    const { store } = this.leadership;
    const isNew = store !== this.#elected;
    if (isNew) {
      this.#memory = new Map();
      this.#elected = store;
      this.#problems = mirror.problems;
      if (store !== undefined) await prune(store);
    }
    if (store === undefined) return;
    // What the leader before has written is there before anything is decided.
    if (isNew) await mirror.caughtUp(store.committed);
    const now = context.clock.wall();
    const { actions, wakeAt, memory, problems: unplaced } = reconcile([...mirror.services.values()], [...mirror.tasks.values()], this.#memory, now, this.members.placementNodes());
    this.#memory = memory;
    const problems = new Map(unplaced);
    // What stands in the way of one service must not keep the others waiting.
    const results: PromiseSettledResult<void>[] = await Promise.allSettled(together(actions).map((action) => this.#carryOut(store, action, problems)));
    results.push(...(await Promise.allSettled([this.#tell(store, Object.fromEntries([...problems].sort()))])));
    const again = Math.min(wakeAt ?? Infinity, problems.size > 0 ? now + RETRY_MS : Infinity);
    this.#cancelWake?.();
    this.#cancelWake = again === Infinity ? undefined : context.clock.after(again - now, () => this.request());
    await mirror.caughtUp(store.committed);
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    if (failures.length > 0 && !failures.every((failure) => failure instanceof FencedOffError)) throw failures[0];
  }

  /** Every node is asked about services, and only the leader knows. */
  async #tell(store: Store, problems: Problems): Promise<void> {
    for (const [id, problem] of Object.entries(problems)) {
      const service = this.mirror.services.get(id)?.spec.name;
      if (this.#problems[id] !== problem) this.log.warn('a service does not get all of its tasks', { service, problem });
    }
    if (JSON.stringify(problems) === JSON.stringify(this.#problems)) return;
    await store.commit([], [Object.keys(problems).length === 0 ? { delete: PROBLEMS } : { put: PROBLEMS, value: problems }]);
    this.#problems = problems;
  }

  async #carryOut(store: Store, action: Joint, problems: Map<string, string>): Promise<void> {
    try {
      await this.#do(store, action);
      this.log.debug('service reconciled', { ...action });
    } catch (error) {
      // What it was about went away since the decision: the next pass decides on what is there.
      if (error instanceof NotFoundError && action.type !== 'roll-back') return;
      if (!(error instanceof ModelError) || (action.type !== 'create' && action.type !== 'roll-back')) throw error;
      if (action.type === 'roll-back') await this.#pause(store, action, error.message);
      else problems.set(action.serviceId, error.message);
    }
  }

  async #do(store: Store, action: Joint): Promise<unknown> {
    const { context } = this;
    switch (action.type) {
      case 'create':
        return createTasks(store, action.serviceId, action.places, context);
      case 'stop': {
        const node = action.reason === 'node-down' ? this.mirror.tasks.get(action.taskId)?.node : undefined;
        return stopTask(store, action.taskId, node === undefined ? undefined : `node ${node} is down`);
      }
      case 'forget':
        return removeTask(store, action.taskId);
      case 'note-update':
        return noteUpdate(store, action.serviceId, action.version, action.status);
      case 'roll-back':
        this.log.warn('an update failed, it is rolled back', { service: this.mirror.services.get(action.serviceId)?.spec.name, reason: action.reason });
        return rollBackService(store, action.serviceId, context, { expected: action.version, message: action.reason });
    }
  }

  /** A rollback that is not possible. */
  async #pause(store: Store, { serviceId, version, reason }: Action & { readonly type: 'roll-back' }, problem: string): Promise<void> {
    const at = timestamp(this.context);
    const startedAt = this.mirror.services.get(serviceId)?.updateStatus?.startedAt ?? at;
    try {
      await noteUpdate(store, serviceId, version, { state: 'paused', startedAt, completedAt: at, message: `${reason}; it cannot be rolled back: ${problem}` });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
}

type Creation = Action & { readonly type: 'create' };
/** An action, or the creations of one service. */
type Joint = Exclude<Action, Creation> | { readonly type: 'create'; readonly serviceId: string; readonly places: readonly Place[] };

/** In their order; all tasks of a service are made where its first one is. */
function together(actions: readonly Action[]): Joint[] {
  const places = new Map<string, Place[]>();
  return actions.flatMap((action): Joint[] => {
    if (action.type !== 'create') return [action];
    const { type, serviceId, slot, node } = action;
    const known = places.get(serviceId);
    if (known) {
      known.push({ slot, node });
      return [];
    }
    const own = [{ slot, node }];
    places.set(serviceId, own);
    return [{ type, serviceId, places: own }];
  });
}
