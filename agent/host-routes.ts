/**
 * Subnets that the agent's own network namespace has routes to: a network should keep clear of them, or its tasks could
 * be mistaken for machines of the host's network in every log and packet capture.
 */
import type { Cidr } from '../proxy/net/addr.js';
import { AddressError, parseCidr } from '../proxy/net/addr.js';
import { ROUTE_PROTOCOL } from '../kernel/offload/host-link.js';
import { run } from '../kernel/run/runner.js';

export async function hostRoutes(): Promise<Cidr[]> {
  return parseRoutes(await run('ip', ['-json', '-4', 'route', 'show']));
}

/**
 * From the output of `ip -json route show`. Host routes and the default route do not count, but for those of agents that have
 * published ports in the kernel: two with the same ingress subnet could not both have that.
 */
export function parseRoutes(json: string): Cidr[] {
  const routes = JSON.parse(json === '' ? '[]' : json) as readonly { dst?: string; protocol?: string }[];
  return routes.flatMap(({ dst, protocol }) => {
    if (dst === undefined || (!dst.includes('/') && protocol !== ROUTE_PROTOCOL)) return [];
    try {
      return [parseCidr(dst.includes('/') ? dst : `${dst}/32`)];
    } catch (error) {
      if (error instanceof AddressError) return [];
      throw error;
    }
  });
}
