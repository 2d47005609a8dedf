/**
 * The link between the host and the ingress sandbox, over which the host's kernel sends what it was asked on published ports:
 * lines for `ip -batch`, and what is missing of it. Pure; host-ports.ts runs them.
 *
 * A veth without addresses, so that none can collide with anything of the host's. The host has one /32 route, to this node's balancer
 * address on the ingress network, whose subnet was chosen clear of the host's routes. The sandbox sends everything that it has no
 * other route for back to where it came from. Its next hop is an address that no packet ever carries: both neighbour entries are
 * permanent, so nobody asks for it, and no ARP is spoken. The MTU is the sandbox's own: where a packet is too large, it is the host that
 * says so, from an address that the client has a route to.
 *
 * What the host sends and the sandbox's driver does not take (its rules are gone) is dropped without a word, so that the client
 * sends its SYN again, by which time the rules are back. So it is on the host when the link is gone.
 */
import type { LinkState } from '../netns/interface.js';
import type { Lack } from './capability.js';

/** The sandbox's end. */
export const SANDBOX_END = 'host0';
/** Locally administered; nobody else is on the link. */
const HOST_MAC = '02:76:6d:00:00:01';
const SANDBOX_MAC = '02:76:6d:00:00:02';
/** Link-local (RFC 3927), and never on a wire. */
const NEXT_HOP = '169.254.1.1';
/** After the drivers' rule, whose packets are marked, and before the main table. */
const PREFERENCE = 60;
/** After every other route; plus the node's own number. */
const LAST_METRIC = 4000;
/** Whose routes these are (rtnetlink(7), rtm_protocol): a number that no routing daemon has. */
export const ROUTE_PROTOCOL = '118';

export interface HostLink {
  /** The host's end: 15 bytes at most. Begins with `vm` and 4 hexadecimal digits, the node's own on this machine. */
  readonly name: string;
  /** Where the host sends to: the node's balancer address on the ingress network. */
  readonly address: string;
  /** Bytes. */
  readonly mtu: number;
}

/** What there is of the link, on both sides; but for itself as `ip -json` says it. */
export interface FoundLink {
  readonly ends: { readonly host: LinkState; readonly sandbox: LinkState };
  readonly hostRoutes: readonly FoundRoute[];
  readonly hostNeighbours: readonly { readonly dst: string; readonly state?: readonly string[] }[];
  readonly sandboxRoutes: readonly FoundRoute[];
  readonly sandboxNeighbours: readonly { readonly dst: string; readonly state?: readonly string[] }[];
  readonly sandboxRules: readonly { readonly priority: number; readonly iif?: string; readonly dst?: string; readonly action?: string }[];
}

export interface FoundRoute {
  readonly dst: string;
  readonly type?: string;
  readonly dev?: string;
  readonly metric?: number;
  readonly protocol?: string;
}

/** On the host. `path`: of the sandbox's namespace. */
export function makeLines({ name, mtu }: HostLink, path: string): string[] {
  return [
    `link add ${name} mtu ${mtu} address ${HOST_MAC} type veth peer name ${SANDBOX_END} mtu ${mtu} address ${SANDBOX_MAC} netns ${path}`,
    // No IPv6 address of its own, which would be announced.
    `link set ${name} addrgenmode none`,
  ];
}

/** On the host, however often. */
export function hostLines({ name, address }: HostLink): string[] {
  return [
    `link set ${name} up`,
    `neigh replace ${address} lladdr ${SANDBOX_MAC} dev ${name} nud permanent`,
    `route replace ${address}/32 dev ${name} proto ${ROUTE_PROTOCOL}`,
    `route replace ${blackholeText(name, address)}`,
  ];
}

/** In the sandbox, however often. */
export function sandboxLines({ address }: HostLink, { sandboxRules }: Pick<FoundLink, 'sandboxRules'>): string[] {
  return [
    `link set ${SANDBOX_END} up`,
    `neigh replace ${NEXT_HOP} lladdr ${HOST_MAC} dev ${SANDBOX_END} nud permanent`,
    `route replace default via ${NEXT_HOP} dev ${SANDBOX_END} onlink`,
    ...(sandboxRules.some((rule) => isDrop(rule, address)) ? [] : [`rule add ${dropText(address)}`]),
  ];
}

/** On the host; the routes by the link go with it. */
export function blackholeText(name: string, address: string): string {
  return `blackhole ${address}/32 metric ${lastMetric(name)} proto ${ROUTE_PROTOCOL}`;
}

/** Tells our route, which names no link, from another agent's to the same address. */
function lastMetric(name: string): number {
  return LAST_METRIC + Number.parseInt(/^vm([0-9a-f]{4})-/.exec(name)?.[1] ?? '0', 16);
}

/** A route of the agent that has this link, of those that are marked as ours. */
export function isOwnRoute(name: string, { type, dev, metric }: FoundRoute): boolean {
  return type === 'blackhole' ? metric === lastMetric(name) : dev === name;
}

/** Who else has a route to the address, such as another agent whose ingress network is alike; or undefined. */
export function othersRoute({ name, address }: Pick<HostLink, 'name' | 'address'>, hostRoutes: readonly FoundRoute[]): Lack | undefined {
  const other = hostRoutes.find((route) => route.dst === address && !isOwnRoute(name, route));
  if (other === undefined) return undefined;
  const by = other.dev === undefined ? '' : ` (by ${other.dev})`;
  // As routes are told from others when they are listed, and not only ours.
  if (other.protocol !== ROUTE_PROTOCOL) return { reason: `the host has another route to ${address}${by}, which is this agent's address on its ingress network` };
  return {
    reason: `another agent on this host has the same ingress subnet, and sends ${address} to itself${by}: the relay serves the published ports of this one`,
    remedy: 'one of the two is to begin with a new --state-dir while the other is up: its ingress network then gets another subnet',
  };
}

/** In the sandbox; a routing rule does not go with the link that it names. */
export function dropText(address: string): string {
  return `pref ${PREFERENCE} iif ${SANDBOX_END} to ${address}/32 blackhole`;
}

function isDrop({ priority, iif, dst, action }: FoundLink['sandboxRules'][number], address: string): boolean {
  return priority === PREFERENCE && iif === SANDBOX_END && dst === address && action === 'blackhole';
}

/** What is missing of the link, as sentences. */
export function linkFaults({ name, address }: HostLink, found: FoundLink): string[] {
  const { host, sandbox } = found.ends;
  // All else went with it.
  if (host !== 'up') return [`the host's link to the ingress sandbox, ${name}, is ${host}`];
  if (sandbox !== 'up') return [`the ingress sandbox's link to the host, ${SANDBOX_END}, is ${sandbox}`];
  const permanent = (neighbours: FoundLink['hostNeighbours'], of: string): boolean => neighbours.some(({ dst, state }) => dst === of && state?.includes('PERMANENT') === true);
  const { hostRoutes, hostNeighbours, sandboxRoutes, sandboxNeighbours, sandboxRules } = found;
  return [
    ...(hostRoutes.some(({ dst, dev }) => dst === address && dev === name) ? [] : [`the host has no route to ${address} by ${name}`]),
    ...(hostRoutes.some((route) => route.dst === address && route.type === 'blackhole' && isOwnRoute(name, route)) ? [] : [`the host does not drop what is for ${address} when ${name} is gone`]),
    ...(permanent(hostNeighbours, address) ? [] : [`the host has no neighbour entry for ${address}`]),
    ...(sandboxRoutes.some(({ dst, dev }) => dst === 'default' && dev === SANDBOX_END) ? [] : [`the ingress sandbox has no way back to the host by ${SANDBOX_END}`]),
    ...(permanent(sandboxNeighbours, NEXT_HOP) ? [] : [`the ingress sandbox has no neighbour entry for ${NEXT_HOP}`]),
    ...(sandboxRules.some((rule) => isDrop(rule, address)) ? [] : [`the ingress sandbox does not drop what its rules leave of ${SANDBOX_END}`]),
  ];
}
