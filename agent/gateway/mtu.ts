/**
 * The MTU that packets to the rest of the world have, or to other nodes, as the routing table and the devices know it. Nothing is sent.
 */
import { run } from '../../kernel/run/runner.js';

/** Ethernet's, for a host with no route to anywhere. */
const DEFAULT_MTU = 1500;

/** In TEST-NET-2 and the documentation prefix (RFC 5737, RFC 3849): no host has them, so the default route answers. */
const FAR_AWAY = ['198.51.100.1', '2001:db8::1'];

interface RouteJson {
  dev?: string;
  metrics?: { mtu?: number }[];
}

/** What `ip -json route get` says: the device, and the route's own MTU when it has one. undefined for a local route. */
export function parseRoute(json: string): { device: string; mtu: number | undefined } | undefined {
  const [route] = JSON.parse(json) as RouteJson[];
  if (route?.dev === undefined || route.dev === 'lo') return undefined;
  return { device: route.dev, mtu: route.metrics?.find((metric) => metric.mtu !== undefined)?.mtu };
}

/** What `ip -json link show dev` says. */
export function parseLinkMtu(json: string): number | undefined {
  const [link] = JSON.parse(json) as { mtu?: number }[];
  return link?.mtu;
}

/** What `ip -json address show to ADDRESS` says of the device that has the address. */
export function parseOwner(json: string): { device: string; mtu: number } | undefined {
  const [link] = JSON.parse(json) as { ifname?: string; mtu?: number }[];
  return link?.ifname === undefined || link.mtu === undefined ? undefined : { device: link.ifname, mtu: link.mtu };
}

/** @param own address of this host at which other nodes reach it: what counts, then, is the device that has it */
export async function underlayMtu(own?: string): Promise<number> {
  const owner = own === undefined ? undefined : await ip('address', 'show', 'to', own).then(parseOwner, () => undefined);
  for (const address of FAR_AWAY) {
    const route = await ip('route', 'get', address).then(parseRoute, () => undefined);
    if (!route) continue;
    if (owner && owner.device !== route.device) break;
    if (route.mtu !== undefined) return route.mtu;
    const mtu = await ip('link', 'show', 'dev', route.device).then(parseLinkMtu, () => undefined);
    if (mtu !== undefined) return mtu;
  }
  return owner?.mtu ?? DEFAULT_MTU;
}

function ip(...args: string[]): Promise<string> {
  return run('ip', ['-json', ...args]);
}
