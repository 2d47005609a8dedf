/**
 * The services that the control bench installs: two endpoints each, all in one network. Pure.
 */
import type { OffloadEndpoint, OffloadService } from '../../kernel/offload/driver.js';
import type { PlanBase, PlanChanges } from '../../kernel/offload/plans.js';
import { DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import { formatIpv4 } from '../../proxy/net/addr.js';

const FIRST_MARK = 0x100;
const VIPS = 0x0a400000;
const TASKS = 0x0a800000;

export const BASE: PlanBase = {
  subnet: '10.0.0.0/8',
  balancer: '10.255.0.250',
  timeouts: { established: DEFAULT_TIMEOUTS.established, closing: DEFAULT_TIMEOUTS.transitory, udp: DEFAULT_TIMEOUTS.udp },
};

export function markOf(index: number): number {
  return FIRST_MARK + index;
}

/** @param turn how often its second endpoint was replaced by another */
export function serviceOf(index: number, turn = 0): OffloadService {
  const endpoint = (address: number): OffloadEndpoint => ({ address: formatIpv4(address), port: 0, weight: 1 });
  return {
    mark: markOf(index),
    address: formatIpv4(VIPS + index),
    scheduler: 'rr',
    affinity: 0,
    maxConnections: 0,
    endpoints: [endpoint(TASKS + (index << 6)), endpoint(TASKS + (index << 6) + 1 + (turn % 62))],
    phase: 'take',
  };
}

export function servicesOf(count: number): OffloadService[] {
  return Array.from({ length: count }, (_, index) => serviceOf(index));
}

export function installation(count: number): PlanChanges {
  return new Map(servicesOf(count).map((service) => [service.mark, service]));
}

/** One endpoint of one service, another one each time. */
export class Changes {
  #step = 0;

  constructor(private readonly count: number) {}

  next(): { readonly index: number; readonly turn: number } {
    const step = this.#step++;
    // A prime step goes through all of them before it comes round.
    return { index: (step * 7919) % this.count, turn: 1 + Math.floor(step / this.count) };
  }
}
