/**
 * The store's networks, services, tasks and nodes as maps in memory, kept current by a watch: what the reconcilers read.
 * A watch that ends (compacted, store gone and back) lists again and goes on: the mirror never forgets what it had.
 */
import type { NetworkObject, NodeProblem, NodeRecord, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import { KEYS, LEADER, PROBLEMS, type Alive, type Applied, type Attached, type Leader, type Problems } from '../../overlay/store/keys.js';
import type { FabricKeys, Session } from '../../overlay/vxlan/keys.js';
import type { Entry, Store, WatchEvent } from '../../overlay/store/store.js';
import { CompactedError } from '../../overlay/store/store.js';
import type { Clock } from '../../proxy/time/clock.js';

const KINDS = ['networks', 'services', 'tasks', 'nodes', 'alive', 'applied', 'troubles', 'attached', 'sessions'] as const;
type Kind = (typeof KINDS)[number];

/** How long after a failed watch the next try comes. */
const RETRY_MS = 1000;
/** How long anybody waits for a revision: the store is out of reach then, and what waits must not hang with it. */
const PATIENCE_MS = 5000;

export class Mirror {
  readonly networks = new Map<string, NetworkObject>();
  readonly services = new Map<string, ServiceObject>();
  readonly tasks = new Map<string, TaskObject>();
  readonly nodes = new Map<string, NodeRecord>();
  /** By node id, as the next two are. */
  readonly alive = new Map<string, Alive>();
  readonly applied = new Map<string, Applied>();
  readonly troubles = new Map<string, readonly NodeProblem[]>();
  /** By network id. */
  readonly attached = new Map<string, Attached>();
  /** By node id: what encrypted networks need of it. */
  readonly sessions = new Map<string, Session>();
  /** Of encrypted networks. Absent: there has been none. */
  keys: Entry<FabricKeys> | undefined;
  /** Who places tasks. Absent: nobody, now. */
  leader: Entry<Leader> | undefined;
  /** What the leader says is in the way of services. */
  problems: Problems = {};
  #revision = 0;
  readonly #taskRevisions = new Map<string, number>();
  #listings = 0;
  #waiting: { revision: number; resolve: () => void }[] = [];
  /** Nothing is followed any more: the agent is stopping. */
  #ended = false;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Everything up to here is shown. */
  get revision(): number {
    return this.#revision;
  }

  /** Of the transaction that wrote the task last; 0: there is none. */
  taskRevision(id: string): number {
    return this.#taskRevisions.get(id) ?? 0;
  }

  /** How often everything was read anew: what went between two readings went unseen. */
  get listings(): number {
    return this.#listings;
  }

  /** Reads everything, then follows until the signal aborts. Resolves after the first full read. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#load();
    signal.addEventListener('abort', () => {
      this.#ended = true;
      for (const { resolve } of this.#waiting.splice(0)) resolve();
    });
    void this.#follow(signal);
  }

  /**
   * Resolves once the mirror shows `revision` (a commit's result, such as Store.committed: of what others do with the same store a watch
   * says nothing), so that whoever wrote can rely on reading it here. At the latest after 5 s, once the store is followed no more (who
   * waits then is to end, too), or has turned out to be older than it was.
   */
  caughtUp(revision: number): Promise<void> {
    if (this.#ended || this.#revision >= revision) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.clock.after(PATIENCE_MS, () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        resolve();
      });
      const waiter = {
        revision,
        resolve: () => {
          cancel();
          resolve();
        },
      };
      this.#waiting.push(waiter);
    });
  }

  async #load(): Promise<void> {
    const { entries, revision } = await this.store.list('');
    for (const kind of KINDS) this[kind].clear();
    this.leader = this.keys = undefined;
    this.problems = {};
    this.#taskRevisions.clear();
    for (const entry of entries) this.#put(entry);
    this.#listings++;
    const wentBack = revision < this.#revision;
    this.#revision = revision;
    this.#letGo(wentBack ? Infinity : revision);
    this.onChange();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const events of this.store.watch('', this.#revision, signal)) {
          for (const event of events) this.#apply(event);
          const last = events.at(-1);
          if (last) this.#revision = last.type === 'put' ? last.entry.revision : last.revision;
          this.#letGo(this.#revision);
          this.onChange();
        }
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof CompactedError)) {
          this.onError(error);
          await new Promise<void>((resolve) => this.clock.after(RETRY_MS, resolve));
        }
        await this.#load().catch(this.onError);
      }
    }
  }

  #apply(event: WatchEvent): void {
    if (event.type === 'put') this.#put(event.entry);
    else {
      const [kind, id] = split(event.key);
      if (kind && id) this[kind].delete(id);
      else if (event.key === LEADER) this.leader = undefined;
      else if (event.key === KEYS) this.keys = undefined;
      else if (event.key === PROBLEMS) this.problems = {};
      if (kind === 'tasks' && id) this.#taskRevisions.delete(id);
    }
  }

  #put(entry: Entry): void {
    const [kind, id] = split(entry.key);
    if (kind && id) (this[kind] as Map<string, unknown>).set(id, entry.value);
    else if (entry.key === LEADER) this.leader = entry as Entry<Leader>;
    else if (entry.key === KEYS) this.keys = entry as Entry<FabricKeys>;
    else if (entry.key === PROBLEMS) this.problems = entry.value as Problems;
    if (kind === 'tasks' && id) this.#taskRevisions.set(id, entry.revision);
  }

  /** Whoever waits for this revision, or an older one. */
  #letGo(revision: number): void {
    this.#waiting = this.#waiting.filter((waiter) => {
      if (waiter.revision > revision) return true;
      waiter.resolve();
      return false;
    });
  }
}

function split(key: string): [Kind | undefined, string | undefined] {
  const slash = key.indexOf('/');
  const kind = KINDS.find((candidate) => candidate === key.slice(0, slash));
  return [kind, key.slice(slash + 1)];
}
