/**
 * Subnets that the host has routes to: a network should keep clear of them, or its tasks could
 * be mistaken for machines of the host's network in every log and packet capture. And those of other agents' ingress networks: of two
 * that are alike only one can have published ports in the kernel.
 */
import type { Cidr } from '../proxy/net/addr.js';
import { AddressError, parseCidr } from '../proxy/net/addr.js';
import { listNamespaces, openNamespace } from '../kernel/netns/netns.js';
import { ROUTE_PROTOCOL } from '../kernel/offload/host-link.js';
import { run } from '../kernel/run/runner.js';
import type { HostGateway } from './host-gateway.js';

/** An agent's ingress sandbox: `vm1a2b-ingress`. */
const INGRESS = /^vm[0-9a-f]{4}-ingress$/;
const ADDRESS = /^[0-9.]+$/;

export async function hostRoutes(gateway: Pick<HostGateway, 'routes'>): Promise<Cidr[]> {
  return parseRoutes(await gateway.routes());
}

/** Of the ingress networks of other agents on this host, a route for each address that they have: what is pinned in `directory`. */
export async function ingressRoutes(directory: string): Promise<Cidr[]> {
  const found: Cidr[] = [];
  for (const name of listNamespaces(directory, 'vm').filter((one) => INGRESS.test(one))) {
    try {
      const namespace = openNamespace(directory, name);
      try {
        const routes = JSON.parse((await run('ip', ['-json', '-4', 'route', 'show'], { netns: namespace })) || '[]') as readonly { dst?: string }[];
        found.push(...routes.flatMap(({ dst }) => (dst === undefined || !ADDRESS.test(dst) ? [] : [parseCidr(`${dst}/32`)])));
      } finally {
        namespace.close();
      }
    } catch {
      // It has just gone, or was only a file that was left: then nobody has these addresses.
    }
  }
  return found;
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
