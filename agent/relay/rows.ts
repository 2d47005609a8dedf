/**
 * Which row of the shared counts (proxy/sched/stats.ts) each endpoint of each published port has. A port's connections to an endpoint
 * are counted for that port alone: another's are none of its limits' business. Pure.
 */
import type { EndpointConfig } from '../../proxy/config/snapshot.js';

export class PortRows {
  /** By port, then by endpoint. */
  readonly #rows = new Map<string, Map<string, number>>();
  readonly #free: number[] = [];
  #next = 0;

  /** @param clear makes a row as if nothing had been counted in it */
  constructor(
    private readonly capacity: number,
    private readonly clear: (row: number) => void,
  ) {}

  /** The endpoints, each with its row; without one when there is none left: then each thread counts for itself. */
  assign(port: string, endpoints: readonly EndpointConfig[]): EndpointConfig[] {
    const rows = this.#rows.get(port) ?? new Map<string, number>();
    this.#rows.set(port, rows);
    return endpoints.map(({ row: _, ...endpoint }) => {
      const row = rows.get(endpoint.id) ?? this.#free.pop() ?? (this.#next < this.capacity ? this.#next++ : undefined);
      if (row === undefined) return endpoint;
      rows.set(endpoint.id, row);
      return { ...endpoint, row };
    });
  }

  /** Takes back the rows of all others. To be called when no thread counts in them any more. */
  keepOnly(port: string, endpoints: readonly EndpointConfig[]): void {
    const rows = this.#rows.get(port);
    const kept = new Set(endpoints.map(({ id }) => id));
    for (const [id, row] of rows ?? []) {
      if (kept.has(id)) continue;
      rows?.delete(id);
      this.clear(row);
      this.#free.push(row);
    }
    if (rows?.size === 0) this.#rows.delete(port);
  }
}
