/**
 * How packets get from a task to the uplink and back, as text: lines of `ip -batch`, sysctls, and a table of nftables. Pure.
 *
 *   task ── its network's sandbox ── uplink0 ═ u-<network> ── the agent's own namespace ── uplink0, the program's TUN
 *
 * The agent's own namespace routes between the two and gives everything the TUN's address: so sandboxes track no connection for it, and no
 * packet of an overlay network is treated otherwise than without an uplink. A pair of links is all there is between two namespaces, so
 * neighbours are known, and nothing is asked for.
 */
import type { Sysctl } from '../sandbox/network-plan.js';
import { UPLINK_DEVICE } from './programs.js';

/** How the names of the agent's ends begin. */
const LINK = 'u-';
/** On every pair the same: each is alone on its link. Link-local (RFC 3927). */
const AGENT = { address: '169.254.78.1', mac: '02:42:a9:fe:4e:01' } as const;
const SANDBOX = { address: '169.254.78.2', mac: '02:42:a9:fe:4e:02' } as const;

/** Name of the link to a network's sandbox, in the agent's namespace: 14 bytes. @param networkId 12 hexadecimal digits */
export function uplinkName(networkId: string): string {
  return `${LINK}${networkId}`;
}

/** Of the agent's namespace, before it has links. */
export const AGENT_SYSCTLS: readonly Sysctl[] = [
  { key: 'net/ipv4/ip_forward', value: '1' },
  { key: 'net/ipv4/conf/all/rp_filter', value: '1' },
  { key: 'net/ipv4/conf/default/rp_filter', value: '1' },
  { key: 'net/ipv4/conf/default/send_redirects', value: '0' },
];

/**
 * Of the agent's namespace: networks reach the outside, and its answers reach them; nobody reaches another network, or the agent. What is
 * refused is refused as it is where there is no route.
 */
export const UPLINK_TABLE = `table ip vipmesh-uplink {
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "${LINK}*" oifname "${UPLINK_DEVICE}" accept
    iifname "${UPLINK_DEVICE}" oifname "${LINK}*" ct state established,related accept
    iifname "${LINK}*" reject with icmp type net-unreachable
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${LINK}*" reject with icmp type net-unreachable
    iifname "${UPLINK_DEVICE}" ct state != { established, related } drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${UPLINK_DEVICE}" masquerade
  }
}
`;

export interface UplinkPair {
  readonly networkId: string;
  /** 10.0.1.0/24 */
  readonly subnet: string;
  readonly mtu: number;
  /** Of the process in whose namespace the agent's end is. */
  readonly pid: number;
}

/**
 * In the sandbox, whose default route leads to the agent's namespace then. What is of the network's own subnet and has no route of its own stays
 * unreachable: proxy ARP answers for what there is a route to.
 */
export function sandboxLines({ networkId, subnet, mtu, pid }: UplinkPair): string[] {
  return [
    `link add ${UPLINK_DEVICE} mtu ${mtu} address ${SANDBOX.mac} type veth peer name ${uplinkName(networkId)} mtu ${mtu} address ${AGENT.mac} netns ${pid}`,
    `link set ${UPLINK_DEVICE} up`,
    `neigh replace ${AGENT.address} lladdr ${AGENT.mac} dev ${UPLINK_DEVICE} nud permanent`,
    `route replace unreachable ${subnet}`,
    `route replace default via ${AGENT.address} dev ${UPLINK_DEVICE} onlink`,
  ];
}

/** In the agent's namespace, after those. */
export function agentLines({ networkId, subnet }: UplinkPair): string[] {
  const link = uplinkName(networkId);
  return [
    `addr add ${AGENT.address}/32 dev ${link}`,
    `link set ${link} up`,
    `neigh replace ${SANDBOX.address} lladdr ${SANDBOX.mac} dev ${link} nud permanent`,
    `route replace ${subnet} via ${SANDBOX.address} dev ${link} onlink`,
  ];
}

/** In the agent's namespace, for each network, connected or not: what is of an overlay network never goes out by the program. */
export function closedSubnetLines(subnet: string): string[] {
  return [`route replace unreachable ${subnet} metric 4096`];
}

/** In a task. @param device of the network that it goes out by */
export function taskRouteLines(gateway: string, device: string): string[] {
  return [`route replace default via ${gateway} dev ${device}`];
}

/** Whether the program has set up its link, by `ip -json route show default`. */
export function hasUplink(routes: string): boolean {
  return (JSON.parse(routes === '' ? '[]' : routes) as { dst?: string; dev?: string }[]).some(({ dst, dev }) => dst === 'default' && dev === UPLINK_DEVICE);
}

/** What is looked at of a network. */
export interface OutboundNetwork {
  readonly ingress: boolean;
  readonly spec: { readonly internal: boolean };
}

/** By which of its networks a task reaches the outside: the first that is not internal; by ingress only when it has no other. */
export function outboundOf<T extends { readonly networkId: string }>(addresses: readonly T[], networkOf: (id: string) => OutboundNetwork | undefined): T | undefined {
  const own = addresses.filter(({ networkId }) => networkOf(networkId)?.ingress === false);
  return (own.length > 0 ? own : addresses).find(({ networkId }) => networkOf(networkId)?.spec.internal === false);
}
