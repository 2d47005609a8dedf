/**
 * The endpoints of one published port: which one a new flow goes to, which one it goes to when that one fails, and which
 * are gone. The choice is the balancer's, by the same rules as in the data path; the sockets are others' business.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import { nameOf } from '../sched/affinity.js';
import { Balancer, type Balanced, type Shared } from '../sched/balancer.js';
import type { Clock } from '../time/clock.js';
import { plainAddress, schedulingAddress } from './peer.js';
import type { RelayChoice } from './relay.js';

/** How many flows of a port were given to an endpoint, by all threads that serve it. */
export interface Turns {
  /** Counts one more; answers how many there were before. */
  take(): number;
}

export class Targets {
  #endpoints: readonly EndpointConfig[] = [];
  readonly #balancer: Balancer;
  /** Turns that this balancer has seen. */
  #seen = 0;

  /**
   * @param secret goes into the hash by which clients are known, so that nobody can choose an address for it
   * @param turns absent: nobody else serves this port
   */
  constructor(
    private readonly shared: Shared,
    private service: Omit<Balanced, 'endpoints'>,
    private readonly clock: Clock,
    private readonly secret: string,
    endpoints: readonly EndpointConfig[],
    private readonly turns?: Turns,
  ) {
    this.#balancer = new Balancer(shared);
    this.update(endpoints);
  }

  /** @param choice how they are chosen from now on; absent: as before */
  update(endpoints: readonly EndpointConfig[], choice?: RelayChoice): void {
    if (choice) this.service = { id: this.service.id, scheduler: choice.scheduler, ...(choice.policy && { policy: choice.policy }) };
    this.#endpoints = endpoints;
    this.#balancer.configure({ ...this.service, endpoints }, this.#now());
  }

  /** Whether a flow to this endpoint may go on. A task's id with another address is another endpoint. */
  lives(endpoint: EndpointConfig): boolean {
    return this.#indexOf(endpoint) >= 0;
  }

  /** The balancer's choice for a new flow of the client with this address; undefined when no endpoint takes one. */
  pick(clientAddress: string, clientPort: number): EndpointConfig | undefined {
    if (this.turns) {
      const before = this.turns.take();
      // Modulo 2^32, as it is counted.
      this.#balancer.skip((before - this.#seen) >>> 0);
      this.#seen = (before + 1) >>> 0;
    }
    const key = nameOf(this.secret + plainAddress(clientAddress));
    const index = this.#balancer.choose(schedulingAddress(clientAddress), key, clientPort, this.#now());
    return index < 0 ? undefined : this.#endpoints[index];
  }

  /**
   * Where a flow goes when `failed` did not take it: the next in the list that is not in `tried` (ids) and takes flows; an
   * ejected one only when there is no other. The scheduler is not asked, so its rotation goes on as if nothing had happened:
   * asked again it might give, with two endpoints, the dead one to every new flow first.
   */
  next(failed: EndpointConfig, tried: ReadonlySet<string>): EndpointConfig | undefined {
    const count = this.#endpoints.length;
    const start = this.#endpoints.findIndex((endpoint) => endpoint.id === failed.id) + 1;
    const now = this.#now();
    for (const strict of [true, false]) {
      for (let i = 0; i < count; i++) {
        const index = (start + i) % count;
        const endpoint = this.#endpoints[index]!;
        if (!tried.has(endpoint.id) && this.#balancer.admits(index, now, strict)) return endpoint;
      }
    }
    return undefined;
  }

  /** A flow to a living endpoint begins. Answers what `closed` is to be told when it ends. */
  opened(endpoint: EndpointConfig): number {
    const row = this.#balancer.row(this.#indexOf(endpoint));
    this.shared.stats.opened(row, true);
    return row;
  }

  closed(row: number): void {
    this.shared.stats.closed(row, true);
  }

  /** The endpoint accepted a connection. */
  succeeded(endpoint: EndpointConfig): void {
    const index = this.#indexOf(endpoint);
    if (index >= 0) this.#balancer.succeeded(index, this.#now());
  }

  /** The endpoint did not accept a connection. True when that ejected it. */
  failed(endpoint: EndpointConfig): boolean {
    const index = this.#indexOf(endpoint);
    return index >= 0 && this.#balancer.failed(index, this.#now());
  }

  /** Milliseconds for which the endpoint with this id is still ejected; 0: it is not, or it is none of ours. */
  ejectedFor(id: string): number {
    const index = this.#endpoints.findIndex((endpoint) => endpoint.id === id);
    return index < 0 ? 0 : this.#balancer.ejectionLeft(index, this.#now()) * 100;
  }

  #indexOf({ id, address }: EndpointConfig): number {
    return this.#endpoints.findIndex((other) => other.id === id && other.address === address);
  }

  /** Deciseconds. */
  #now(): number {
    return Math.floor(this.clock.now() / 100);
  }
}
