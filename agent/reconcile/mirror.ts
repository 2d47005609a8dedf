/**
 * The store's networks, services and tasks as maps in memory, kept current by a watch: what the reconcilers read.
 * A watch that ends (compacted, store gone and back) lists again and goes on: the mirror never forgets what it had.
 */
import type { NetworkObject, ServiceObject, TaskObject } from '../../overlay/model/object.js';
import type { Entry, Store, WatchEvent } from '../../overlay/store/store.js';
import { CompactedError } from '../../overlay/store/store.js';
import type { Clock } from '../../proxy/time/clock.js';

const KINDS = ['networks', 'services', 'tasks'] as const;
type Kind = (typeof KINDS)[number];

/** How long after a failed watch the next try comes. */
const RETRY_MS = 1000;

export class Mirror {
  readonly networks = new Map<string, NetworkObject>();
  readonly services = new Map<string, ServiceObject>();
  readonly tasks = new Map<string, TaskObject>();
  #revision = 0;
  #waiting: { revision: number; resolve: () => void }[] = [];
  /** Nothing is followed any more: the agent is stopping. */
  #ended = false;

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {}

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
   * Resolves once the mirror shows `revision` (a commit's result), so that whoever wrote can rely on reading it here; or once
   * the store is followed no more, since who waits then is to end, too.
   */
  caughtUp(revision: number): Promise<void> {
    if (this.#ended || this.#revision >= revision) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ revision, resolve }));
  }

  async #load(): Promise<void> {
    const { entries, revision } = await this.store.list('');
    for (const kind of KINDS) this[kind].clear();
    for (const entry of entries) this.#put(entry);
    this.#advance(revision);
    this.onChange();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const events of this.store.watch('', this.#revision, signal)) {
          for (const event of events) this.#apply(event);
          const last = events.at(-1);
          if (last) this.#advance(last.type === 'put' ? last.entry.revision : last.revision);
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
    }
  }

  #put(entry: Entry): void {
    const [kind, id] = split(entry.key);
    if (kind && id) (this[kind] as Map<string, unknown>).set(id, entry.value);
  }

  #advance(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
    this.#waiting = this.#waiting.filter((waiter) => {
      if (waiter.revision > this.#revision) return true;
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
