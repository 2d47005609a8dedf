/**
 * The IPv6 side of a network sandbox, as text: sysctls and the lines of `ip -6 -batch`, which come after those of
 * network-plan.ts. Pure; network-sandbox.ts applies it.
 *
 * The same router, without what IPv6 has in place of ARP: every task's only next hop is fe80::1, which each of the sandbox's
 * veths has, so nobody ever asks for another task by multicast, and nothing needs proxying. All addresses are usable at
 * once: there is nobody on these links whom duplicate address detection (RFC 4862 section 5.4, a second of waiting) could find.
 */
import { parseCidr6, parseIpv6 } from '../../proxy/net/addr6.js';
import { macOf, VIP_LINK, vethName, type Sysctl, type TaskLink } from './network-plan.js';

/** Of a network, on this node. */
export interface Ipv6Side {
  readonly subnet: string;
  readonly gateway: string;
  readonly balancer: string;
}

/** The next hop of every task, on its own link. */
export const ROUTER = 'fe80::1';

/** A packet is forwarded when it comes from where its source address is. Tasks have one rule each, by the name of their veth. */
const PREF_TASK = 1000;
const PREF_OWN = 2000;
const PREF_NONE = 3000;

/**
 * Set before any link is made. Links get no address by themselves (addr_gen_mode 1, include/uapi/linux/if_link.h,
 * IN6_ADDR_GEN_MODE_NONE): vip0 needs none, veths get theirs.
 */
export const SANDBOX_SYSCTLS_6: readonly Sysctl[] = [
  { key: 'net/ipv6/conf/all/disable_ipv6', value: '0' },
  { key: 'net/ipv6/conf/default/disable_ipv6', value: '0' },
  { key: 'net/ipv6/conf/all/forwarding', value: '1' },
  { key: 'net/ipv6/conf/default/accept_ra', value: '0' },
  { key: 'net/ipv6/conf/default/accept_dad', value: '0' },
  { key: 'net/ipv6/conf/default/addr_gen_mode', value: '1' },
];

/**
 * Once vip0 is there and up. IPv6 has no rp_filter; rules say the same: what is not from one of the tasks at its own veth,
 * from vip0 or from the sandbox itself is dropped, so a task that takes another's address gets nothing through.
 */
export function sandboxLines6(side: Ipv6Side): string[] {
  return [
    `addr add ${side.gateway}/128 dev lo`,
    ...balancerLines6(side.balancer),
    ...ownRules6().map(({ text }) => `rule add ${text}`),
  ];
}

/** Of `ip -6 rule`, and what identifies it. Without `iif` it is that which drops. */
export interface Rule6 {
  readonly pref: number;
  readonly from?: string;
  readonly iif?: string;
  /** After `rule add`. */
  readonly text: string;
}

/** Those that a sandbox has as long as it is there. */
export function ownRules6(): Rule6[] {
  const own = (iif: string): Rule6 => ({ pref: PREF_OWN, iif, text: `pref ${PREF_OWN} iif ${iif} lookup main` });
  return [own(VIP_LINK), own('lo'), { pref: PREF_NONE, text: `pref ${PREF_NONE} blackhole` }];
}

export function taskRule6(address6: string, veth: string): Rule6 {
  return { pref: PREF_TASK, from: address6, iif: veth, text: `pref ${PREF_TASK} from ${address6} iif ${veth} lookup main` };
}

/** What vip0 itself has, however often it is made. The rule that names it finds the new one by itself. */
export function balancerLines6(balancer: string): string[] {
  return [`route add ${balancer}/128 dev ${VIP_LINK}`];
}

/** A task's link on a network with IPv6. */
export type TaskLink6 = Pick<TaskLink, 'id' | 'interface' | 'address'> & {
  readonly address6: string;
  readonly subnet6: string;
};

/** In the sandbox, after attachLines. The task's hardware address is known, so nothing has to be asked. */
export function attachLines6(link: TaskLink6): string[] {
  const veth = vethName(link.id);
  return [
    `addr add ${ROUTER}/64 dev ${veth} nodad`,
    `route add ${link.address6}/128 dev ${veth}`,
    `neigh replace ${link.address6} lladdr ${macOf(link.address)} dev ${veth} nud permanent`,
    `rule add ${taskRule6(link.address6, veth).text}`,
  ];
}

/** In the sandbox, when a task goes: a rule outlives its link. */
export function detachLines6(veth: string): string[] {
  return [`rule del pref ${PREF_TASK} iif ${veth}`];
}

/** In the task, before its link is up. There is no router that advertises itself. */
export function taskSysctls6(device: string): Sysctl[] {
  return [
    { key: `net/ipv6/conf/${device}/disable_ipv6`, value: '0' },
    { key: `net/ipv6/conf/${device}/accept_dad`, value: '0' },
    { key: `net/ipv6/conf/${device}/accept_ra`, value: '0' },
    { key: `net/ipv6/conf/${device}/router_solicitations`, value: '0' },
  ];
}

/** In the task, once its link is up: routes by a next hop need that. No default route. */
export function taskLines6(link: TaskLink6): string[] {
  const { length } = parseCidr6(link.subnet6);
  return [
    `addr add ${link.address6}/${length} dev ${link.interface} nodad noprefixroute`,
    `route add ${link.subnet6} via ${ROUTER} dev ${link.interface}`,
  ];
}

/** Throws AddressError unless the subnet is one and the addresses are IPv6. */
export function checkAddresses6(subnet: string, ...addresses: string[]): void {
  parseCidr6(subnet);
  addresses.forEach(parseIpv6);
}
