/**
 * How far each node has come, which it notes for others. Before anything is done to a task that stops, every node is to have heard that it takes
 * no new flow, and the task's own node waits for the others. Pure, but for the waiting. One that does not answer is waited for only so long: it may be
 * about to be found dead.
 */
import type { TaskObject } from '../../overlay/model/object.js';
import { isEnded } from '../../overlay/model/task-state.js';
import type { Applied } from '../../overlay/store/keys.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Mirror } from './mirror.js';

/** Milliseconds. Swarm waits this long always. */
export const PATIENCE_MS = 2000;

type Known = Pick<Mirror, 'alive' | 'applied' | 'tasks' | 'taskRevision'>;

/** Of tasks elsewhere that take no new flow: the newest revision that says so. 0: there is none. A node that has applied it is to note that. */
export function revisionToNote(mirror: Pick<Known, 'tasks' | 'taskRevision'>, self: string): number {
  let newest = 0;
  for (const task of mirror.tasks.values()) if (task.node !== self && isLeaving(task)) newest = Math.max(newest, mirror.taskRevision(task.id));
  return newest;
}

function isLeaving(task: TaskObject): boolean {
  return !isEnded(task) && (task.desired === 'shutdown' || task.status.state === 'stopping');
}

/** Whether every other node that lives has come to `revision`. @param self id of this node */
export function isAcknowledged({ alive, applied }: Pick<Known, 'alive' | 'applied'>, self: string, revision: number): boolean {
  return haveApplied([...alive.keys()].filter((id) => id !== self), applied, 'revision', revision);
}

/** Whether each of these nodes has noted that it has come to `revision`, of what `what` names. */
export function haveApplied(nodes: readonly string[], applied: ReadonlyMap<string, Applied>, what: keyof Applied, revision: number): boolean {
  return nodes.every((id) => (applied.get(id)?.[what] ?? 0) >= revision);
}

/**
 * What a node notes when a pass is done; undefined: what it has noted says all that anybody waits for.
 * @param leaving as revisionToNote() said before tasks were projected @param seen the mirror's revision when the pass began @param keys those it receives by
 */
export function nextNote(noted: Applied, { leaving, seen, keys }: { leaving: number; seen: number; keys: number }): Applied | undefined {
  const revision = leaving > noted.revision ? Math.max(leaving, seen) : noted.revision;
  // Keys can go back, with a store that was restored.
  return revision === noted.revision && keys === noted.keys ? undefined : { revision, keys };
}

/** Who waits for others to acknowledge; told of every change of the mirror. */
export class Acknowledgements {
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly mirror: Known,
    private readonly self: string,
    private readonly clock: Clock,
  ) {}

  /** Resolves when all know that the task takes no new flow, when the time for that is over, or when the signal aborts. */
  async waitFor(task: TaskObject, signal: AbortSignal): Promise<void> {
    let told: number | undefined;
    const done = (): boolean => {
      const seen = this.mirror.tasks.get(task.id);
      if (!seen || isEnded(seen)) return true;
      if (isLeaving(seen)) told ??= this.mirror.taskRevision(task.id);
      return told !== undefined && isAcknowledged(this.mirror, this.self, told);
    };
    if (signal.aborted || isAcknowledged(this.mirror, this.self, Infinity) || done()) return;
    await new Promise<void>((resolve) => {
      const cancel = this.clock.after(PATIENCE_MS, () => finish());
      const look = (): void => {
        if (done()) finish();
      };
      const finish = (): void => {
        cancel();
        this.#waiting.delete(look);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      this.#waiting.add(look);
      signal.addEventListener('abort', finish);
    });
  }

  /** The mirror has changed. */
  look(): void {
    for (const waiter of [...this.#waiting]) waiter();
  }
}
