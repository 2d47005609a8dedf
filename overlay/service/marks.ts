/**
 * Packet marks of a node: one for each service on each network that its kernel balances, and each published port, kept in the store, so that the next
 * agent knows by them what the one before has installed. Numbers count from the node's base; whoever installs adds that.
 */
import { Turns } from '../../proxy/time/turns.js';
import { AddressPoolError } from '../model/errors.js';
import type { MarkHolder } from '../store/keys.js';
import { markKey, MARKS, serviceKey } from '../store/keys.js';
import { deleteInParts } from '../store/parts.js';
import type { Store } from '../store/store.js';

/** Who has a mark: a service on a network, or a published port of it, as text. */
export type MarkOwner = readonly [serviceId: string, networkId: string, port?: string];

export class NodeMarks {
  /** By holder, what the store had when it was listed last, and what was taken since; undefined: not listed. */
  #numbers: Map<string, number> | undefined;
  /** Changes, one after another. */
  readonly #changes = new Turns();

  /** @param span how many there are: 0 to span - 1 */
  constructor(
    private readonly store: Store,
    private readonly node: string,
    private readonly span: number,
  ) {}

  /** The number of a service on a network: the one that it has, or the lowest that is free. Rejects with AddressPoolError. */
  take(...owner: MarkOwner): Promise<number> {
    return this.#changes.take(() => this.#take(holderOf(owner)));
  }

  /** Gives back what none of `wanted` has. */
  keepOnly(wanted: Iterable<MarkOwner>): Promise<void> {
    const holders = new Set([...wanted].map((owner) => textOf(holderOf(owner))));
    return this.#changes.take(() => this.#keepOnly(holders));
  }

  async #take(holder: MarkHolder): Promise<number> {
    for (;;) {
      const numbers = (this.#numbers ??= await this.#list());
      const known = numbers.get(textOf(holder));
      if (known !== undefined) return known;
      const number = lowestFree(new Set(numbers.values()), this.span);
      if (number === undefined) throw new AddressPoolError(`all ${this.span} packet marks of node ${this.node} are taken: remove a service`);
      const key = markKey(this.node, number);
      if ((await this.store.commit([{ key, revision: 0 }], [{ put: key, value: holder }])) !== undefined) {
        numbers.set(textOf(holder), number);
        return number;
      }
      this.#numbers = undefined;
    }
  }

  async #keepOnly(wanted: ReadonlySet<string>): Promise<void> {
    const numbers = (this.#numbers ??= await this.#list());
    const gone = [...numbers].filter(([holder]) => !wanted.has(holder));
    if (gone.length === 0) return;
    await deleteInParts(this.store, gone.map(([, number]) => markKey(this.node, number)));
    for (const [holder] of gone) numbers.delete(holder);
  }

  async #list(): Promise<Map<string, number>> {
    const { entries } = await this.store.list<MarkHolder>(`${MARKS}${this.node}/`);
    return new Map(entries.map(({ key, value }) => [textOf(value), Number(key.slice(key.lastIndexOf('/') + 1))]));
  }
}

function holderOf([serviceId, networkId, port]: MarkOwner): MarkHolder {
  return { owner: serviceKey(serviceId), network: networkId, ...(port !== undefined && { port }) };
}

function textOf({ owner, network, port }: MarkHolder): string {
  return port === undefined ? `${owner} ${network}` : `${owner} ${network} ${port}`;
}

function lowestFree(taken: ReadonlySet<number>, span: number): number | undefined {
  for (let number = 0; number < span; number++) if (!taken.has(number)) return number;
  return undefined;
}
