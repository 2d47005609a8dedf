/**
 * A service's tasks by the slots that they are in: 1 to `replicas`, or in mode global one for each node. Pure.
 *
 * A task on a node that has been down for longer than its grace is lost: nobody counts on it, and its slot is another's. One on a
 * node that nobody knows is left alone: whoever removes a node sees to its tasks.
 */
import type { ServiceObject, TaskObject } from '../model/object.js';
import { isCurrent, isEnded, isServing } from '../model/task-state.js';
import type { PlacementNode } from './placement.js';
import { isEligible, suits } from './placement.js';

/** Why a task that is meant to run is to give way to another. */
export type DueReason = 'drained' | 'misplaced' | 'updated';

export interface Due {
  readonly task: TaskObject;
  readonly reason: DueReason;
}

export interface Slot {
  /** Among the slots of the service: the number, or the name of the node. */
  readonly key: string;
  /** 0: of a node. */
  readonly number: number;
  /** The node that the slot is of. */
  readonly node?: string;
  /** `keep`: what is there stays, and nothing is made. */
  readonly wanted: 'yes' | 'keep' | 'no';
  /** Meant to run, not ended, and as they should be; the one to keep first. */
  readonly good: readonly TaskObject[];
  /** Meant to run, not ended, and to be replaced; the one to keep first: one that serves, if there is one. */
  readonly due: readonly Due[];
  /** Told to stop, and not ended yet; newest first, as all that follow. */
  readonly leaving: readonly TaskObject[];
  /** Not ended, as far as is known, on a node that is gone. */
  readonly lost: readonly TaskObject[];
  readonly ended: readonly TaskObject[];
}

/** The nodes at one time. */
export class Fleet {
  readonly #byName: ReadonlyMap<string, PlacementNode>;
  /** The same text for nodes that stand the same. */
  readonly standing: string;

  /** @param now milliseconds since the epoch @param grace how long a node may be down until its tasks are lost, milliseconds */
  constructor(
    readonly nodes: readonly PlacementNode[],
    readonly now: number,
    readonly grace: number,
  ) {
    this.#byName = new Map(nodes.map((node) => [node.hostname, node]));
    this.standing = JSON.stringify(nodes.map((node) => [node, this.#isGone(node)]));
  }

  node(hostname: string): PlacementNode | undefined {
    return this.#byName.get(hostname);
  }

  isLost(hostname: string): boolean {
    const node = this.node(hostname);
    return node !== undefined && this.#isGone(node);
  }

  /** Nodes as if those were up that may come back within their grace. */
  get expected(): PlacementNode[] {
    return this.nodes.map((node) => (this.#isGone(node) ? node : { ...node, up: true }));
  }

  /** When the next node is given up, or Infinity. */
  get nextLoss(): number {
    return Math.min(Infinity, ...this.nodes.flatMap((node) => (node.up || this.#isGone(node) ? [] : [(node.downSince ?? this.now) + this.grace])));
  }

  #isGone({ up, downSince = this.now }: PlacementNode): boolean {
    return !up && this.now - downSince >= this.grace;
  }
}

/** In their order; slots that are not wanted, and still have tasks, among them. */
export function slotsOf(service: ServiceObject, tasks: readonly TaskObject[], fleet: Fleet): Slot[] {
  const groups = new Map<string, TaskObject[]>();
  const isGlobal = service.spec.mode === 'global';
  if (isGlobal) for (const { hostname } of fleet.nodes) groups.set(hostname, []);
  else for (let number = 1; number <= service.spec.replicas; number++) groups.set(String(number), []);
  for (const task of tasks) {
    const key = isGlobal ? task.node : String(task.slot);
    const group = groups.get(key);
    if (group) group.push(task);
    else groups.set(key, [task]);
  }
  const slots = [...groups].map(([key, all]): Slot => {
    const place = isGlobal ? { number: 0, node: key, wanted: isWantedOn(service, key, fleet) } : { number: Number(key), wanted: Number(key) <= service.spec.replicas ? ('yes' as const) : ('no' as const) };
    return { key, ...place, ...sorted(service, all, fleet) };
  });
  return slots.sort((a, b) => a.number - b.number || compareText(a.key, b.key));
}

/** How many tasks the service is to have. @param tasks of any service */
export function wantedTasks(service: ServiceObject, tasks: readonly TaskObject[], fleet: Fleet): number {
  if (service.spec.mode === 'replicated') return service.spec.replicas;
  const own = tasks.filter(({ serviceId }) => serviceId === service.id);
  return slotsOf(service, own, fleet).filter(({ wanted, good, due }) => wanted === 'yes' || (wanted === 'keep' && good.length + due.length > 0)).length;
}

function isWantedOn(service: ServiceObject, hostname: string, fleet: Fleet): Slot['wanted'] {
  const node = fleet.node(hostname);
  if (!node) return 'keep';
  if (isEligible(service, node)) return 'yes';
  return node.availability === 'drain' || !suits(service, node) ? 'no' : 'keep';
}

function sorted(service: ServiceObject, tasks: readonly TaskObject[], fleet: Fleet): Pick<Slot, 'good' | 'due' | 'leaving' | 'lost' | 'ended'> {
  const good: TaskObject[] = [];
  const due: Due[] = [];
  const leaving: TaskObject[] = [];
  const lost: TaskObject[] = [];
  const ended: TaskObject[] = [];
  for (const task of tasks) {
    const reason = dueReason(service, task, fleet);
    if (isEnded(task)) ended.push(task);
    else if (fleet.isLost(task.node)) lost.push(task);
    else if (task.desired === 'shutdown') leaving.push(task);
    else if (reason === undefined) good.push(task);
    else due.push({ task, reason });
  }
  for (const list of [leaving, lost, ended]) list.sort(newestFirst);
  return { good: good.sort(bestFirst), due: due.sort((a, b) => Number(isServing(b.task)) - Number(isServing(a.task)) || bestFirst(a.task, b.task)), leaving, lost, ended };
}

function dueReason(service: ServiceObject, task: TaskObject, fleet: Fleet): DueReason | undefined {
  const node = fleet.node(task.node);
  if (node?.availability === 'drain') return 'drained';
  if (node && !suits(service, node)) return 'misplaced';
  return isCurrent(task, service) ? undefined : 'updated';
}

/** The newest version, of that one that serves, of these the oldest. */
function bestFirst(a: TaskObject, b: TaskObject): number {
  return b.version - a.version || Number(isServing(b)) - Number(isServing(a)) || -newestFirst(a, b);
}

/** By creation; ISO times of one form sort as text. Ids only make the order definite. */
export function newestFirst(a: TaskObject, b: TaskObject): number {
  return compareText(b.createdAt, a.createdAt) || compareText(b.status.since, a.status.since) || compareText(b.id, a.id);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
