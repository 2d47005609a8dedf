/**
 * What does not work on this node now: one sentence each, since when. Each is logged when it begins and when it is over, and the store has
 * them with what is there as long as the node is up, so that every node can show them. The store is written only when they have changed, and
 * have stayed so for a moment: what heals at the next try is nobody's concern.
 */
import type { NodeProblem } from '../../overlay/model/object.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';

/** How long they are to be as they are before others are told. Milliseconds. */
const SETTLE_MS = 500;
/** What the store did not take is tried again after this time. Milliseconds. */
const RETRY_MS = 5000;

export interface NodeProblemsOptions {
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'error' | 'debug'>;
  /** Tells the other nodes; rejects when they could not be told. */
  write(problems: readonly NodeProblem[]): Promise<void>;
}

export class NodeProblems {
  readonly #known = new Map<string, readonly NodeProblem[]>();
  /** What others were told, as text. A node that has just come up has told nothing. */
  #told = JSON.stringify([]);
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(private readonly options: NodeProblemsOptions) {}

  get all(): readonly NodeProblem[] {
    return [...this.#known.values()].flat();
  }

  /** All that one source finds now, in the place of what it found before. */
  set(source: string, found: readonly Omit<NodeProblem, 'since'>[]): void {
    if (this.#closed) return;
    const { clock, log } = this.options;
    const before = this.#known.get(source) ?? [];
    const problems = distinct(found).map((problem): NodeProblem => {
      const known = before.find(({ about }) => about === problem.about);
      if (known?.message !== problem.message) log.error('something does not work on this node', { about: problem.about, problem: problem.message });
      return { ...problem, since: known?.since ?? new Date(clock.wall()).toISOString() };
    });
    for (const { about, since } of before) {
      if (problems.some((problem) => problem.about === about)) continue;
      log.info('it works on this node again', { about, seconds: Math.round((clock.wall() - Date.parse(since)) / 1000) });
    }
    if (JSON.stringify(problems) === JSON.stringify(before)) return;
    this.#known.set(source, problems);
    this.#tellIn(SETTLE_MS);
  }

  /** Nobody is told anything any more. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #tellIn(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.options.clock.after(ms, () => void this.#tell());
  }

  async #tell(): Promise<void> {
    const { all } = this;
    const text = JSON.stringify(all);
    if (text === this.#told) return;
    try {
      await this.options.write(all);
      this.#told = text;
    } catch (error) {
      this.options.log.debug('others were not told what does not work here', { err: error });
      // Unless there is something newer to tell, sooner.
      if (!this.#closed && JSON.stringify(this.all) === text) this.#tellIn(RETRY_MS);
    }
  }
}

/** The first of each thing: a pass may fail at it more than once. */
function distinct(found: readonly Omit<NodeProblem, 'since'>[]): readonly Omit<NodeProblem, 'since'>[] {
  return found.filter(({ about }, index) => found.findIndex((other) => other.about === about) === index);
}
