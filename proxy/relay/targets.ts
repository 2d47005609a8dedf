/**
 * The endpoints of one published port: which one a new flow goes to, which one it goes to when that one fails, and which
 * are gone. Pure; the sockets are others' business.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import type { Scheduler } from '../sched/scheduler.js';

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

  /**
   * The endpoint for a flow, none of `tried` (by id) and none that is draining; undefined when there is no such.
   * The scheduler's choice first; when it has failed already, the next in the list.
   */
  pick(clientAddress: number, clientPort: number, tried?: ReadonlySet<string>): EndpointConfig | undefined {
    const first = this.#scheduler.pick(clientAddress, clientPort);
    if (first < 0) return undefined;
    for (let i = 0; i < this.#endpoints.length; i++) {
      const endpoint = this.#endpoints[(first + i) % this.#endpoints.length];
      if (endpoint && endpoint.weight > 0 && !tried?.has(endpoint.id)) return endpoint;
    }
    return undefined;
  }
}
