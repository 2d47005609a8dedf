/**
 * A snapshot in the shape that packets ask for it: networks by index, services by VIP, endpoints by address.
 *
 * Built when a snapshot arrives, never while packets are decided. What has a memory is kept from one snapshot to the next:
 * a service's scheduler (its rotation) and an endpoint's port cursor.
 */
import type { EndpointConfig, NetworkConfig, ServiceConfig, Snapshot } from '../config/snapshot.js';
import { PortCursor } from '../flow/port-pool.js';
import type { Scheduler } from '../sched/scheduler.js';
import { makeScheduler } from '../sched/schedulers.js';
import { EndpointStats } from '../sched/stats.js';

const STATS = new EndpointStats(EndpointStats.allocate(1));

export class ServiceTarget {
  readonly endpoints: readonly EndpointConfig[];
  readonly scheduler: Scheduler;
  /** By endpoint address. */
  readonly cursors = new Map<number, PortCursor>();

  constructor(
    readonly config: ServiceConfig,
    before: ServiceTarget | undefined,
  ) {
    this.endpoints = config.endpoints;
    this.scheduler = before?.scheduler.name === config.scheduler ? before.scheduler : makeScheduler(config.scheduler, STATS);
    this.scheduler.update(config.endpoints);
    for (const { address } of config.endpoints) this.cursors.set(address, before?.cursors.get(address) ?? new PortCursor());
  }

  /** Whether flows to this address may go on: it is in the snapshot, draining or not. */
  has(address: number): boolean {
    return this.cursors.has(address);
  }
}

export class NetworkTarget {
  readonly balancer: number;
  readonly services: ReadonlyMap<number, ServiceTarget>;

  constructor(config: NetworkConfig, before: NetworkTarget | undefined) {
    this.balancer = config.balancer;
    const old = new Map([...(before?.services.values() ?? [])].map((service) => [service.config.id, service]));
    this.services = new Map(config.services.map((service) => [service.vip, new ServiceTarget(service, old.get(service.id))]));
  }

  /** Whether an address is one of ours, from which nobody else may send. */
  owns(address: number): boolean {
    return address === this.balancer || this.services.has(address);
  }
}

/** Indexed by network index; undefined where there is no such network. */
export function targetsOf(snapshot: Snapshot, before: readonly (NetworkTarget | undefined)[]): (NetworkTarget | undefined)[] {
  const size = snapshot.networks.reduce((most, network) => Math.max(most, network.index + 1), 0);
  const targets = new Array<NetworkTarget | undefined>(size).fill(undefined);
  for (const network of snapshot.networks) targets[network.index] = new NetworkTarget(network, before[network.index]);
  return targets;
}
