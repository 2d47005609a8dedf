/**
 * The VXLAN device of a network sandbox and what it knows of other nodes, as text: lines of `ip -batch` and `bridge -batch`, and back from what
 * they print. Pure; fabric.ts applies it, overlay/vxlan/fabric.ts says what there should be.
 *
 * The device learns nothing and asks nobody. A remote node is a permanent neighbour, with a hardware address that follows from its balancer
 * address, and one entry that says where that is. Its balancer address is on the link; what is behind it are routes by that next hop. So each
 * remote source has its route through this device, and nothing else has: rp_filter stays strict.
 */
import type { Fabric, FabricLink } from '../../overlay/vxlan/fabric.js';
import { macOf } from './network-plan.js';
import type { Rule6 } from './network-plan6.js';
import type { Observed } from './repair-plan.js';

export const FABRIC_LINK = 'vxlan0';

/** As PREF_OWN of network-plan6.ts: what comes by the device is from another node, and the host lets in only what may. */
const PREF_FABRIC = 2000;

/** What the device knows, by the kernel's own keys. */
export interface FabricEntries {
  /** Address to hardware address. */
  readonly neighbours: ReadonlyMap<string, string>;
  /** Hardware address to the rest of its line. */
  readonly forwarding: ReadonlyMap<string, string>;
  /** Address, without a length, to the rest of its line. */
  readonly routes: ReadonlyMap<string, string>;
}

export const NO_ENTRIES: FabricEntries = { neighbours: new Map(), forwarding: new Map(), routes: new Map() };

export function fabricEntries({ peers }: Fabric): FabricEntries {
  const neighbours = new Map<string, string>();
  const forwarding = new Map<string, string>();
  const routes = new Map<string, string>();
  for (const { underlay, port, balancer, balancer6, mtu, reaches } of peers) {
    const mac = macOf(balancer);
    forwarding.set(mac, forwardingText(underlay, port));
    for (const own of balancer6 === undefined ? [balancer] : [balancer, balancer6]) {
      neighbours.set(own, mac);
      routes.set(own, routeText(undefined, mtu));
    }
    for (const address of reaches) {
      const via = address.includes(':') ? balancer6 : balancer;
      if (via !== undefined) routes.set(address, routeText(via, mtu));
    }
  }
  return { neighbours, forwarding, routes };
}

/** The same of a TUN, by which everything is: the fabric worker knows the nodes. */
export function tunEntries({ peers }: Fabric): FabricEntries {
  const routes = new Map<string, string>();
  for (const { balancer, balancer6, mtu, reaches } of peers) {
    for (const address of [balancer, ...(balancer6 === undefined ? [] : [balancer6]), ...reaches]) routes.set(address, routeText(undefined, mtu));
  }
  return { ...NO_ENTRIES, routes };
}

function forwardingText(underlay: string, port: number): string {
  return `dst ${underlay} port ${port}`;
}

/** `lock`: IPv6 heeds it for what it forwards only so. */
function routeText(via: string | undefined, mtu: number | undefined): string {
  return [...(via === undefined ? [] : [`via ${via}`]), `dev ${FABRIC_LINK}`, ...(via === undefined ? [] : ['onlink']), ...(mtu === undefined ? [] : [`mtu lock ${mtu}`])].join(' ');
}

/**
 * In the host's namespace, where its socket stays, with the device itself in the sandbox at `path`. `nolearning`: what a packet claims
 * about its sender is no reason to believe it.
 */
export function linkLines({ vni, local, port, mtu, balancer }: FabricLink, path: string): string[] {
  return [`link add ${FABRIC_LINK} address ${macOf(balancer)} mtu ${mtu} netns ${path} type vxlan id ${vni} local ${local} dstport ${port} nolearning`];
}

/** In the sandbox, with IPv6. A rule outlives its link. */
export function fabricRule6(): Rule6 {
  return { pref: PREF_FABRIC, iif: FABRIC_LINK, text: `pref ${PREF_FABRIC} iif ${FABRIC_LINK} lookup main` };
}

/** Three batches, in this order. A step without lines is none. */
export interface FabricLines {
  /** ip: what is routed no more; neighbours. */
  readonly first: readonly string[];
  /** bridge */
  readonly forwarding: readonly string[];
  /** ip: what is routed; neighbours that are gone. */
  readonly last: readonly string[];
}

/** From one state to another: nothing is routed before it can be delivered. */
export function fabricLines(current: FabricEntries, desired: FabricEntries): FabricLines {
  const device = `dev ${FABRIC_LINK}`;
  const bare = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`;
  const [neighbours, forwarding, routes] = [
    difference(current.neighbours, desired.neighbours),
    difference(current.forwarding, desired.forwarding),
    difference(current.routes, desired.routes),
  ];
  // A gateway has to be reachable before what is behind it, and IPv6 checks: routes on the link come first.
  const onLink = ([, text]: readonly [string, string]): boolean => !text.startsWith('via');
  return {
    first: [
      ...routes.gone.map((address) => `route del ${bare(address)} ${device}`),
      ...neighbours.fresh.map(([address, mac]) => `neigh replace ${address} lladdr ${mac} ${device} nud permanent`),
    ],
    forwarding: [
      ...forwarding.gone.map((mac) => `fdb del ${mac} ${device} self`),
      ...forwarding.fresh.map(([mac, text]) => `fdb replace ${mac} ${device} ${text} self permanent`),
    ],
    last: [
      ...[...routes.fresh.filter(onLink), ...routes.fresh.filter((one) => !onLink(one))].map(([address, text]) => `route replace ${bare(address)} ${text}`),
      ...neighbours.gone.map((address) => `neigh del ${address} ${device}`),
    ],
  };
}

/** Sorted, so that the same change is the same text. */
function difference(current: ReadonlyMap<string, string>, desired: ReadonlyMap<string, string>): { gone: string[]; fresh: [string, string][] } {
  const gone = [...current.keys()].filter((key) => !desired.has(key)).sort();
  const fresh = [...desired].filter(([key, text]) => current.get(key) !== text).sort(([a], [b]) => (a < b ? -1 : 1));
  return { gone, fresh };
}

/** What keeps the device from being what is wanted, in one sentence; it is made anew, then. */
export function linkFault({ vni, local, port, mtu, balancer }: FabricLink, { links, rawLinks }: Pick<Observed, 'links' | 'rawLinks'>): string | undefined {
  const link = links.find(({ name }) => name === FABRIC_LINK);
  if (!link) return `${FABRIC_LINK} is gone`;
  // Its routes went when it was set down.
  if (!link.up) return `${FABRIC_LINK} is down`;
  const { address, linkinfo } = (rawLinks as ShownLink[]).find(({ ifname }) => ifname === FABRIC_LINK) ?? {};
  const { id, local: shownLocal, port: shownPort, learning } = linkinfo?.info_data ?? {};
  const fits = linkinfo?.info_kind === 'vxlan' && address === macOf(balancer) && link.mtu === mtu && id === vni && shownLocal === local && shownPort === port && learning !== true;
  return fits ? undefined : `${FABRIC_LINK} is another device`;
}

/** The same of a TUN. */
export function tunFault({ mtu }: Pick<FabricLink, 'mtu'>, { links, rawLinks }: Pick<Observed, 'links' | 'rawLinks'>): string | undefined {
  const link = links.find(({ name }) => name === FABRIC_LINK);
  if (!link) return `${FABRIC_LINK} is gone`;
  if (!link.up) return `${FABRIC_LINK} is down`;
  const shown = (rawLinks as ShownLink[]).find(({ ifname }) => ifname === FABRIC_LINK);
  return shown?.linkinfo?.info_kind === 'tun' && link.mtu === mtu ? undefined : `${FABRIC_LINK} is another device`;
}

interface ShownLink {
  readonly ifname?: string;
  readonly address?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: { readonly id?: number; readonly local?: string; readonly port?: number; readonly learning?: boolean } };
}

interface ShownForwarding {
  readonly mac?: string;
  readonly dst?: string;
  readonly port?: number;
  readonly state?: string;
}

/** What there is of the device. `port`: its own, which bridge does not print. */
export function readEntries(observed: Pick<Observed, 'neighbours' | 'forwarding' | 'routes'>, port: number): FabricEntries {
  const ours = <T extends { readonly dev?: string }>(shown: readonly T[]): T[] => shown.filter(({ dev }) => dev === FABRIC_LINK);
  const neighbours = ours(observed.neighbours).flatMap(({ dst, lladdr, state }) => (dst !== undefined && lladdr !== undefined && state?.includes('PERMANENT') ? [[dst, lladdr] as const] : []));
  const forwarding = (observed.forwarding as ShownForwarding[]).flatMap(({ mac, dst, port: other, state }) =>
    mac === undefined ? [] : [[mac, state === 'permanent' ? forwardingText(dst ?? '', other ?? port) : ''] as const],
  );
  const routes = ours(observed.routes).flatMap(({ dst, gateway, metrics }) =>
    // A prefix is none of ours: that of link-local addresses, say.
    dst === undefined || dst.includes('/') ? [] : [[dst, routeText(gateway, metrics?.find(({ mtu }) => mtu !== undefined)?.mtu)] as const],
  );
  return { neighbours: new Map(neighbours), forwarding: new Map(forwarding), routes: new Map(routes) };
}

/** What differs, one sentence each. */
export function entryFaults(current: FabricEntries, desired: FabricEntries): string[] {
  const parts = [
    ['neighbour', current.neighbours, desired.neighbours],
    ['forwarding entry of', current.forwarding, desired.forwarding],
    ['route to', current.routes, desired.routes],
  ] as const;
  return parts.flatMap(([what, from, to]) => {
    const { gone, fresh } = difference(from, to);
    return [...fresh.map(([key]) => `${FABRIC_LINK} has lost the ${what} ${key}, or has another`), ...gone.map((key) => `${FABRIC_LINK} has the ${what} ${key}, which is not ours`)];
  });
}
