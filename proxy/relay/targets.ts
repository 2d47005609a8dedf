/**
 * The endpoints of one published port: which one a new flow goes to, which one it goes to when that one fails, and which
 * are gone. Pure; the sockets are others' business.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { OPEN_GATE, type Scheduler } from '../sched/scheduler.js';

export class Targets {
  #endpoints: readonly EndpointConfig[] = [];
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, endpoints: readonly EndpointConfig[]) {
    this.#scheduler = scheduler;
    this.update(endpoints);
  }

  update(endpoints: readonly EndpointConfig[]): void {
    this.#endpoints = endpoints;
    this.#scheduler.update(endpoints);
  }

  /** Whether a flow to this endpoint may go on. A task's id with another address is another endpoint. */
  lives(endpoint: EndpointConfig): boolean {
    return this.#endpoints.some((other) => other.id === endpoint.id && other.address === endpoint.address);
  }

  /** The scheduler's choice for a new flow; undefined when no endpoint takes one. */
  pick(clientAddress: number, clientPort: number): EndpointConfig | undefined {
    const index = this.#scheduler.pick(clientAddress, clientPort, OPEN_GATE);
    return index < 0 ? undefined : this.#endpoints[index];
  }

  /**
   * Where a flow goes when `failed` did not take it: the next in the list that is not in `tried` (ids) and not draining.
   * The scheduler is not asked, so its rotation goes on as if nothing had happened: asked again it might give, with two
   * endpoints, the dead one to every new flow first.
   */
  next(failed: EndpointConfig, tried: ReadonlySet<string>): EndpointConfig | undefined {
    const start = this.#endpoints.findIndex((endpoint) => endpoint.id === failed.id) + 1;
    for (let i = 0; i < this.#endpoints.length; i++) {
      const endpoint = this.#endpoints[(start + i) % this.#endpoints.length];
      if (endpoint && endpoint.weight > 0 && !tried.has(endpoint.id)) return endpoint;
    }
    return undefined;
  }
}
