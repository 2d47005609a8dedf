/**
 * A snapshot in the shape that packets ask for it: networks by index, services by VIP, endpoints by address, for both
 * families. IPv6 addresses become handles of the address book, which the configuration holds for as long as it is in force.
 *
 * Built when a snapshot arrives, never while packets are decided. What has a memory is kept from one snapshot to the next:
 * a service's balancer (rotation, affinity, ejections) and an endpoint's port cursors.
 */
import { DEFAULT_TIMEOUTS, type EndpointConfig, type NetworkConfig, type ServiceConfig, type Snapshot } from '../config/snapshot.js';
import type { AddressBook } from '../flow/address-book.js';
import { timeoutsByState } from '../flow/expiry.js';
import { PortCursor } from '../flow/port-pool.js';
import type { Ipv6 } from '../net/addr6.js';
import { Balancer, type Shared } from '../sched/balancer.js';
import { HEADER as IPV4_HEADER } from '../wire/ipv4.js';
import { HEADER as IPV6_HEADER } from '../wire/ipv6.js';
import { HEADER as TCP_HEADER } from '../wire/tcp.js';

export class EndpointTarget {
  readonly cursor: PortCursor;
  readonly cursor6: PortCursor;
  /** The first epoch that had it: a flow that was last checked earlier belongs to another that had its address before. */
  readonly since: number;

  constructor(
    readonly config: EndpointConfig,
    readonly index: number,
    /** IPv6 handle, 0 for none. */
    readonly handle: number,
    epoch: number,
    before: EndpointTarget | undefined,
  ) {
    this.cursor = before?.cursor ?? new PortCursor();
    this.cursor6 = before?.cursor6 ?? new PortCursor();
    this.since = before?.since ?? epoch;
  }
}

/** Ports of a service that its endpoints were seen to serve, remembered one per slot: a power of two. */
const SERVED = 64;
/** Deciseconds for which it is remembered. */
const SERVED_FOR = 6000;

export class ServiceTarget {
  readonly balancer: Balancer;
  /** Two words per slot: port << 1 | family, and when a connection to it was last taken. */
  readonly #served: Int32Array;
  /** Deciseconds by state. */
  readonly timeouts: Int32Array;
  readonly endpoints: readonly EndpointTarget[];
  readonly #byAddress = new Map<number, EndpointTarget>();
  readonly #byHandle = new Map<number, EndpointTarget>();

  constructor(
    readonly config: ServiceConfig,
    epoch: number,
    before: ServiceTarget | undefined,
    shared: Shared,
    now: number,
    handleOf: (address: Ipv6 | undefined) => number,
  ) {
    this.balancer = before?.balancer ?? new Balancer(shared);
    this.balancer.configure(config, now);
    this.#served = before === undefined ? new Int32Array(SERVED * 2) : before.#served;
    this.timeouts = timeoutsByState(config.timeouts ?? DEFAULT_TIMEOUTS);
    const old = new Map(before?.endpoints.map((endpoint) => [endpoint.config.id, endpoint]));
    this.endpoints = config.endpoints.map((endpoint, index) => {
      const same = old.get(endpoint.id);
      return new EndpointTarget(endpoint, index, handleOf(endpoint.address6), epoch, same?.config.address === endpoint.address ? same : undefined);
    });
    for (const endpoint of this.endpoints) {
      this.#byAddress.set(endpoint.config.address, endpoint);
      if (endpoint.handle !== 0) this.#byHandle.set(endpoint.handle, endpoint);
    }
  }

  /** An endpoint took a connection to this port of the VIP. */
  tookConnection(v6: boolean, port: number, now: number): void {
    const at = servedAt(v6, port);
    this.#served[at] = (port << 1) | Number(v6);
    this.#served[at + 1] = now;
  }

  /**
   * Whether some endpoint took a connection to this port of late. Where none did, it is the port that nobody serves (a wrong
   * one, or IPv6 with servers for IPv4 alone), and no endpoint is to blame for refusing it.
   */
  isServed(v6: boolean, port: number, now: number): boolean {
    const at = servedAt(v6, port);
    return this.#served[at] === ((port << 1) | Number(v6)) && now - this.#served[at + 1]! < SERVED_FOR;
  }

  /** The endpoint that a flow last checked in `epoch` goes to; undefined when it is gone. Draining ones are there. */
  endpoint(v6: boolean, address: number, epoch: number): EndpointTarget | undefined {
    const endpoint = v6 ? this.#byHandle.get(address) : this.#byAddress.get(address);
    return endpoint !== undefined && endpoint.since <= epoch ? endpoint : undefined;
  }
}

function servedAt(v6: boolean, port: number): number {
  return (((port << 1) | Number(v6)) & (SERVED - 1)) << 1;
}

export class NetworkTarget {
  readonly balancer: number;
  /** Handle, 0 when the network has no IPv6. */
  readonly balancer6: number;
  /** Largest TCP segment that fits the network, by family; one of 65,535 bytes where the snapshot names no MTU. */
  readonly mss: number;
  readonly mss6: number;
  readonly #services: ReadonlyMap<number, ServiceTarget>;
  readonly #services6 = new Map<number, ServiceTarget>();
  /** IPv4 addresses of endpoints that the kernel sends flows to. */
  readonly #offloaded = new Set<number>();

  constructor(
    readonly config: NetworkConfig,
    epoch: number,
    before: NetworkTarget | undefined,
    shared: Shared,
    now: number,
    handleOf: (address: Ipv6 | undefined) => number,
  ) {
    this.balancer = config.balancer;
    this.balancer6 = handleOf(config.balancer6);
    const mtu = config.mtu ?? 0xffff;
    this.mss = mtu - IPV4_HEADER - TCP_HEADER;
    this.mss6 = mtu - IPV6_HEADER - TCP_HEADER;
    const old = new Map(before?.services().map((service) => [service.config.id, service]));
    const services = config.services.map((service) => new ServiceTarget(service, epoch, old.get(service.id), shared, now, handleOf));
    this.#services = new Map(services.map((service) => [service.config.vip, service]));
    for (const address of config.offloaded ?? []) this.#offloaded.add(address);
    for (const service of services) {
      const handle = handleOf(service.config.vip6);
      if (handle !== 0) this.#services6.set(handle, service);
      if (service.config.offloaded === true) for (const { address } of service.config.endpoints) this.#offloaded.add(address);
    }
  }

  /** Whether the kernel may have flows to the endpoint with this IPv4 address. */
  isOffloaded(endpoint: number): boolean {
    return this.#offloaded.has(endpoint);
  }

  services(): ServiceTarget[] {
    return [...this.#services.values()];
  }

  /** The service of a VIP, by address or handle. */
  service(v6: boolean, vip: number): ServiceTarget | undefined {
    return v6 ? this.#services6.get(vip) : this.#services.get(vip);
  }

  balancerOf(v6: boolean): number {
    return v6 ? this.balancer6 : this.balancer;
  }

  /** Whether an address is one of ours, from which nobody else may send. */
  owns(v6: boolean, address: number): boolean {
    return address === this.balancerOf(v6) || (v6 ? this.#services6 : this.#services).has(address);
  }
}

/** All that a pipeline is configured with. */
export class Targets {
  /** By network index; undefined where there is no such network. */
  networks: (NetworkTarget | undefined)[] = [];
  epoch = 0;
  #handles: number[] = [];

  constructor(
    private readonly book: AddressBook,
    private readonly shared: Shared,
  ) {}

  /**
   * Takes a snapshot over. Answers whether flows must be looked at: an endpoint or a VIP of before is gone, or time-outs changed.
   * Throws when the address book is full; the configuration is then the one before.
   */
  configure(snapshot: Snapshot, now: number): boolean {
    // All of them before anything else is changed: the book may be full.
    const handles: number[] = [];
    for (const [w0, w1, w2, w3] of addressesOf(snapshot)) {
      const handle = this.book.intern(w0, w1, w2, w3);
      if (handle === 0) {
        for (const held of handles) this.book.release(held);
        throw new Error('the address book is full: raise --max-flows');
      }
      handles.push(handle);
    }
    const handleOf = (address: Ipv6 | undefined): number => (address === undefined ? 0 : this.book.find(address[0], address[1], address[2], address[3]));
    const size = snapshot.networks.reduce((most, network) => Math.max(most, network.index + 1), 0);
    const networks = new Array<NetworkTarget | undefined>(size).fill(undefined);
    for (const network of snapshot.networks) {
      networks[network.index] = new NetworkTarget(network, snapshot.epoch, this.networks[network.index], this.shared, now, handleOf);
    }
    const concernsFlows = changeConcernsFlows(this.networks, networks);
    // Only now: what is in both never leaves the book, and keeps its handle.
    for (const handle of this.#handles) this.book.release(handle);
    this.#handles = handles;
    this.networks = networks;
    this.epoch = snapshot.epoch;
    return concernsFlows;
  }
}

/** Every IPv6 address that a snapshot names. */
function addressesOf(snapshot: Snapshot): Ipv6[] {
  return snapshot.networks.flatMap(({ balancer6, services }) => {
    const ofServices = services.flatMap(({ vip6, endpoints }) => [vip6, ...endpoints.map(({ address6 }) => address6)]);
    return [balancer6, ...ofServices].filter((address) => address !== undefined);
  });
}

function changeConcernsFlows(before: readonly (NetworkTarget | undefined)[], after: readonly (NetworkTarget | undefined)[]): boolean {
  return before.some((network, index) =>
    network?.services().some((service) => {
      const now = after[index]?.service(false, service.config.vip);
      if (now === undefined || now.timeouts.some((timeout, state) => timeout !== service.timeouts[state])) return true;
      return service.endpoints.some((endpoint) => now.endpoint(false, endpoint.config.address, endpoint.since) === undefined);
    }),
  );
}
