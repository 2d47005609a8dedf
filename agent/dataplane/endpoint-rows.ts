/**
 * Gives each endpoint its row of the counts that all workers share (proxy/sched/stats.ts). An endpoint is a task on a
 * network, whatever services it serves there. Pure but for `clear`.
 *
 * A row goes to another endpoint only when every worker has applied a snapshot without the one before: until then some worker
 * may still count there. The longest unused row is given first. An endpoint that comes back meanwhile gets another row.
 */
import type { Snapshot } from '../../proxy/config/snapshot.js';

export class EndpointRows {
  readonly #rows = new Map<string, number>();
  /** Rows whose endpoint is not in the snapshot of `epoch`, in the order of epochs. */
  readonly #retired: { readonly row: number; readonly epoch: number }[] = [];
  readonly #free: number[] = [];
  #next = 0;

  /**
   * @param capacity rows that there are
   * @param clear makes a row as if nothing had been counted in it
   */
  constructor(
    private readonly capacity: number,
    private readonly clear: (row: number) => void,
  ) {}

  /** The snapshot with a row for each endpoint, or none where all are taken: then each worker counts for itself. Epochs grow. */
  assign(snapshot: Snapshot): Snapshot {
    const present = new Set<string>();
    const networks = snapshot.networks.map((network) => ({
      ...network,
      services: network.services.map((service) => ({
        ...service,
        endpoints: service.endpoints.map((endpoint) => {
          const key = keyOf(network.index, endpoint.id);
          present.add(key);
          const row = this.#rowOf(key);
          return row === undefined ? endpoint : { ...endpoint, row };
        }),
      })),
    }));
    for (const [key, row] of this.#rows) {
      if (present.has(key)) continue;
      this.#rows.delete(key);
      this.#retired.push({ row, epoch: snapshot.epoch });
    }
    return { ...snapshot, networks };
  }

  /** Every worker has applied the snapshot of `epoch`. */
  applied(epoch: number): void {
    while (this.#retired.length > 0 && this.#retired[0]!.epoch <= epoch) this.#free.push(this.#retired.shift()!.row);
  }

  /** The row of an endpoint of the last snapshot, if it has one. */
  find(network: number, endpoint: string): number | undefined {
    return this.#rows.get(keyOf(network, endpoint));
  }

  #rowOf(key: string): number | undefined {
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const row = this.#next < this.capacity ? this.#next++ : this.#free.shift();
    if (row === undefined) return undefined;
    this.clear(row);
    this.#rows.set(key, row);
    return row;
  }
}

const keyOf = (network: number, endpoint: string): string => `${network} ${endpoint}`;
