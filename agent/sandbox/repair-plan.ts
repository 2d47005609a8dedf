/**
 * What a network sandbox has lost of what it was made with, and the lines that put it back: pure, from what ip has printed. What was added to it is left
 * alone. A TUN that is gone is the data plane's to notice, and a task's link that is gone cannot be had back, since its other end was the task's.
 */
import type { FoundLink } from './layout.js';
import { macOf, VIP_LINK, vethName } from './network-plan.js';
import { ownRules6, ROUTER, taskRule6, type Ipv6Side, type Rule6 } from './network-plan6.js';

export interface Fault {
  /** One sentence. */
  readonly text: string;
  /** Of `ip -batch`; none: it cannot be put back. */
  readonly lines: readonly string[];
  /** Of `ip -6 -batch`, after those. */
  readonly lines6?: readonly string[];
}

export interface ExpectedSandbox {
  readonly gateway: string;
  readonly balancer: string;
  readonly ipv6?: Ipv6Side;
  readonly mtu: number;
  readonly vips: Iterable<string>;
  /** That have a link, by id. */
  readonly tasks: ReadonlyMap<string, { readonly address: string; readonly address6?: string }>;
}

/** What ip and bridge have printed, parsed; of both families. */
export interface Observed {
  readonly links: readonly FoundLink[];
  /** `ip -json -details address show` */
  readonly rawLinks: readonly unknown[];
  readonly routes: readonly ShownRoute[];
  readonly neighbours: readonly ShownNeighbour[];
  /** Of the VXLAN device. */
  readonly forwarding: readonly unknown[];
  /** Of IPv4. */
  readonly rules: readonly ShownRule[];
  readonly rules6: readonly ShownRule[];
}

export interface ShownRoute {
  readonly dst?: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}

export interface ShownNeighbour {
  readonly dst?: string;
  readonly dev?: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

export interface ShownRule {
  readonly priority?: number;
  readonly src?: string;
  readonly iif?: string;
  readonly table?: string;
  readonly action?: string;
}

/** fib_default_rules_init, net/ipv4/fib_rules.c */
const MAIN_RULE = 'pref 32766 lookup main';

/** In the order in which they are to be put back. */
export function sandboxFaults(expected: ExpectedSandbox, observed: Observed): Fault[] {
  const { gateway, balancer, ipv6, mtu, vips, tasks } = expected;
  const links = new Map(observed.links.map((link) => [link.name, link]));
  const routes = new Map(observed.routes.map(({ dst, dev }) => [dst, dev]));
  const neighbours = new Map(observed.neighbours.map(({ dst, dev, lladdr }) => [`${dst ?? ''} ${dev ?? ''}`, lladdr]));
  const faults: Fault[] = [];
  const up = ({ name, up: isUp, mtu: shown }: FoundLink): void => {
    if (!isUp) faults.push({ text: `${name} is down`, lines: [`link set ${name} up`] });
    if (shown !== mtu) faults.push({ text: `${name} has the MTU ${shown}`, lines: [`link set ${name} mtu ${mtu}`] });
  };
  const addressed = (link: FoundLink | undefined, address: string, text: string): void => {
    if (link && !link.addresses.includes(address)) faults.push({ text: `${link.name} has lost ${address}`, lines: [`addr replace ${text} dev ${link.name}${address.includes(':') ? ' nodad' : ''}`] });
  };
  const routed = (address: string, dev: string): void => {
    if (routes.get(address) !== dev) faults.push({ text: `there is no route to ${address} by ${dev}`, lines: [`route replace ${address}/${address.includes(':') ? 128 : 32} dev ${dev}`] });
  };
  const known = (address: string, mac: string, dev: string): void => {
    if (neighbours.get(`${address} ${dev}`) !== mac) faults.push({ text: `${dev} has lost the neighbour ${address}`, lines: [`neigh replace ${address} lladdr ${mac} dev ${dev} nud permanent`] });
  };
  const ruled = (rule: Rule6): void => {
    if (!hasRule(observed.rules6, rule)) faults.push({ text: missingRule(rule), lines: [], lines6: [`rule add ${rule.text}`] });
  };

  // Every namespace has it from its beginning; all routes of a sandbox are found by it.
  if (!observed.rules.some(({ src, iif, table }) => table === 'main' && src === 'all' && iif === undefined)) {
    faults.push({ text: `the rule '${MAIN_RULE}' is gone`, lines: [`rule add ${MAIN_RULE}`] });
  }
  const vip0 = links.get(VIP_LINK);
  if (vip0) {
    up(vip0);
    addressed(vip0, gateway, `${gateway}/32`);
    for (const address of [balancer, ...(ipv6 ? [ipv6.balancer] : []), ...vips]) routed(address, VIP_LINK);
  }
  if (ipv6) {
    addressed(links.get('lo'), ipv6.gateway, `${ipv6.gateway}/128`);
    for (const rule of ownRules6()) ruled(rule);
  }
  for (const [id, { address, address6 }] of tasks) {
    const veth = vethName(id);
    const link = links.get(veth);
    if (!link) {
      faults.push({ text: `${veth} is gone: its task is off this network until it is started anew`, lines: [] });
      continue;
    }
    up(link);
    routed(address, veth);
    known(address, macOf(address), veth);
    if (address6 === undefined) continue;
    addressed(link, ROUTER, `${ROUTER}/64`);
    routed(address6, veth);
    known(address6, macOf(address), veth);
    ruled(taskRule6(address6, veth));
  }
  return faults;
}

export function hasRule(shown: readonly ShownRule[], { pref, from = 'all', iif }: Rule6): boolean {
  return shown.some((one) => one.priority === pref && (one.src ?? 'all') === from && one.iif === iif && (one.action === 'blackhole') === (iif === undefined));
}

export function missingRule({ text }: Rule6): string {
  return `the IPv6 rule '${text}' is gone`;
}
