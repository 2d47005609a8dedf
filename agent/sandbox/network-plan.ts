/**
 * What a network sandbox consists of, as text: sysctls and the lines of `ip -batch`. Pure; network-sandbox.ts applies it. What
 * a network with IPv6 has beyond that is in network-plan6.ts.
 *
 * The sandbox is a router without a subnet of its own. Every address is a /32 route: tasks by their veths, VIPs and this
 * node's balancer address by vip0. The gateway address is on lo. A task believes itself in an ordinary subnet, so it asks by
 * ARP for every neighbour, and its veth's proxy ARP answers for all that the sandbox has a route to elsewhere.
 */
import { createHash } from 'node:crypto';
import { formatCidr, parseCidr, parseIpv4 } from '../../proxy/net/addr.js';

/** The TUN that captures what is for a VIP or the balancer address. */
export const VIP_LINK = 'vip0';

export interface Sysctl {
  readonly key: string;
  readonly value: string;
}

/**
 * Set before any link is made, so that links inherit what is under `default`.
 *
 * - rp_filter 1: every source has its /32 route through the link it may come from (tasks: their veth; VIPs and the balancer:
 *   vip0), so the strict check of RFC 3704 holds for all that is right, hairpin and replies included, and a task that takes
 *   another's address, a VIP or the balancer's gets nothing through. VIP and balancer are routed, never local.
 * - send_redirects 0: two tasks are neighbours by their own belief, and a redirect would tell them to bypass us.
 * - ip_early_demux 0: nearly all is forwarded, and need not first be looked for among sockets (kernel's networking/ip-sysctl.rst).
 */
export const SANDBOX_SYSCTLS: readonly Sysctl[] = [
  { key: 'net/ipv4/ip_forward', value: '1' },
  { key: 'net/ipv4/conf/all/rp_filter', value: '1' },
  { key: 'net/ipv4/conf/default/rp_filter', value: '1' },
  { key: 'net/ipv4/conf/all/send_redirects', value: '0' },
  { key: 'net/ipv4/conf/default/send_redirects', value: '0' },
  { key: 'net/ipv4/ip_early_demux', value: '0' },
];

/** For a network without IPv6. Keys that a kernel without it does not have. They keep router and neighbour solicitations off our links. */
export const SANDBOX_SYSCTLS_NO_IPV6: readonly Sysctl[] = [
  { key: 'net/ipv6/conf/all/disable_ipv6', value: '1' },
  { key: 'net/ipv6/conf/default/disable_ipv6', value: '1' },
];

/** Packets that wait for the worker, as on an Ethernet link; a TUN's own 500 overflow when the worker loses its CPU for a moment. */
export const TX_QUEUE = 1000;

/**
 * Of vip0, as soon as it is there: the sandbox's own ICMP errors about packets that the balancer wrote (too big, TTL) come
 * back from vip0 with the gateway as their source, when the balancer has translated them. It is vip0's own address, so that
 * rp_filter, which finds it there, lets it through from nowhere else.
 */
export const VIP_SYSCTLS: readonly Sysctl[] = [{ key: `net/ipv4/conf/${VIP_LINK}/accept_local`, value: '1' }];

/** What vip0 has, however often it is made. Once it is there and up. */
export function vipLinkLines(addresses: { gateway: string; balancer: string }): string[] {
  const { gateway, balancer } = addresses;
  return [`link set ${VIP_LINK} txqueuelen ${TX_QUEUE}`, `addr add ${gateway}/32 dev ${VIP_LINK}`, `route add ${balancer}/32 dev ${VIP_LINK}`];
}

/** From the VIPs that are routed, of either family, to those that should be. Sorted, so that the same change is the same text. */
export function vipLines(current: ReadonlySet<string>, desired: ReadonlySet<string>): string[] {
  const gone = [...current].filter((vip) => !desired.has(vip)).sort();
  const fresh = [...desired].filter((vip) => !current.has(vip)).sort();
  return [...gone.map((vip) => `route del ${hostRoute(vip)}`), ...fresh.map((vip) => `route replace ${hostRoute(vip)}`)];
}

/** By its address's family, which ip sees from the text. */
function hostRoute(vip: string): string {
  return `${vip}/${vip.includes(':') ? 128 : 32} dev ${VIP_LINK}`;
}

export interface TaskLink {
  /** Unique among the tasks of the network. */
  readonly id: string;
  /** Name inside the task, such as eth0. */
  readonly interface: string;
  readonly address: string;
  /** Of the network; the task's address gets its length. */
  readonly subnet: string;
  readonly mtu: number;
  /** Path of the task's network namespace. */
  readonly path: string;
}

/** Name of a task's link in the sandbox: 15 bytes at most, readable where the id is short, unique in any case. */
export function vethName(id: string): string {
  const name = `v-${id}`;
  if (name.length <= 15 && /^[\w.-]+$/.test(name)) return name;
  return `v-${createHash('sha256').update(id).digest('hex').slice(0, 13)}`;
}

/** Name of the host's end of the link to the ingress sandbox. `prefix`: namePrefix() of the node. */
export function hostLinkName(prefix: string): string {
  return `${prefix}ingress`;
}

/** A locally administered address that follows from the IPv4 address, as Docker's do: 10.0.1.5 is 02:42:0a:00:01:05. */
export function macOf(address: string): string {
  const octets = parseIpv4(address);
  const hex = [24, 16, 8, 0].map((shift) => ((octets >>> shift) & 255).toString(16).padStart(2, '0'));
  return ['02', '42', ...hex].join(':');
}

/**
 * In the sandbox. The far end is made in the task's namespace, under its final name. The neighbour entry is permanent: the
 * address is known, so nothing has to be asked.
 */
export function attachLines(link: TaskLink): string[] {
  const veth = vethName(link.id);
  const mac = macOf(link.address);
  return [
    `link add ${veth} mtu ${link.mtu} type veth peer name ${link.interface} mtu ${link.mtu} address ${mac} netns ${link.path}`,
    `link set ${veth} up`,
    `route add ${link.address}/32 dev ${veth}`,
    `neigh replace ${link.address} lladdr ${mac} dev ${veth} nud permanent`,
  ];
}

/** In the sandbox, between attachLines and taskLines. Without proxy_delay 0, proxy ARP takes up to 0.8 s to answer. */
export function attachSysctls(link: TaskLink): Sysctl[] {
  const veth = vethName(link.id);
  return [
    { key: `net/ipv4/neigh/${veth}/proxy_delay`, value: '0' },
    { key: `net/ipv4/conf/${veth}/proxy_arp`, value: '1' },
  ];
}

/** In the task, last: when its link comes up, everything that answers it is in place. No default route. */
export function taskLines(link: TaskLink): string[] {
  return [`addr add ${link.address}/${parseCidr(link.subnet).length} dev ${link.interface}`, `link set ${link.interface} up`];
}

/** Reads what `ip -json route show dev vip0` prints for one family and leaves out the balancer: the VIPs. */
export function routedVips(json: string, balancer: string): Set<string> {
  const routes = JSON.parse(json === '' ? '[]' : json) as { dst: string }[];
  return new Set(routes.map((route) => route.dst).filter((address) => address !== balancer));
}

/** Throws AddressError unless the addresses are IPv4 and the subnet is one; what is wrong is found before anything is made. */
export function checkAddresses(subnet: string, ...addresses: string[]): void {
  formatCidr(parseCidr(subnet));
  addresses.forEach(parseIpv4);
}
