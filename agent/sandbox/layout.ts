/**
 * How a network sandbox that an earlier agent made is recognised, and what is left in it: pure, from what `ip -json` prints.
 *
 * When a sandbox is complete, its `lo` gets the layout as its alias, so that whoever finds it knows what it was made for, and
 * that it is whole. vip0 went with the agent. Of what else there is, only our veths and their rules are looked at: the rest
 * (what offloads traffic to the kernel) has its own keeper.
 */
import { vethName } from './network-plan.js';
import type { Ipv6Side } from './network-plan6.js';

export interface Layout {
  readonly subnet: string;
  readonly gateway: string;
  readonly balancer: string;
  readonly ipv6?: Ipv6Side;
  /** Of every link, in bytes. */
  readonly mtu: number;
}

/** Another number for a sandbox that is made otherwise: it is not adopted by an agent of another version, then. */
const VERSION = 1;

/** At most 255 bytes (IFALIASZ), without spaces. */
export function layoutText({ subnet, gateway, balancer, ipv6, mtu }: Layout): string {
  const six = ipv6 ? [ipv6.subnet, ipv6.gateway, ipv6.balancer] : [];
  return ['vipmesh', VERSION, mtu, subnet, gateway, balancer, ...six].join(',');
}

export function layoutLines(layout: Layout): string[] {
  return [`link set lo alias ${layoutText(layout)}`];
}

/** Fields that are looked at; the alias is in `link show` only, the addresses are in `address show`. */
interface IpLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly link_index?: number;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly ifalias?: string;
  readonly addr_info?: readonly { readonly local?: string }[];
}

export interface FoundLink {
  readonly name: string;
  readonly index: number;
  /** Index of its other end, in that end's namespace; undefined when it has none. */
  readonly peer: number | undefined;
  readonly up: boolean;
  readonly mtu: number;
  readonly alias: string;
  readonly addresses: readonly string[];
}

/** Reads what `ip -json link show` or `ip -json address show` prints. */
export function parseLinks(json: string): FoundLink[] {
  return foundLinks(JSON.parse(json === '' ? '[]' : json) as unknown[]);
}

/** The same, parsed. */
export function foundLinks(shown: readonly unknown[]): FoundLink[] {
  return (shown as Partial<IpLink>[]).flatMap(({ ifname, ifindex, link_index: peer, flags = [], mtu = 0, ifalias = '', addr_info: addresses = [] }) =>
    // Without a name: the empty objects that some versions print for links that a filter left out.
    ifname === undefined || ifindex === undefined
      ? []
      : [{ name: ifname, index: ifindex, peer, up: flags.includes('UP'), mtu, alias: ifalias, addresses: addresses.flatMap(({ local }) => local ?? []) }],
  );
}

/** Reads what `ip -json route show` prints for one family: the link of each destination. */
export function parseRoutes(json: string): Map<string, string> {
  const routes = JSON.parse(json === '' ? '[]' : json) as { dst?: string; dev?: string }[];
  return new Map(routes.flatMap(({ dst, dev }) => (dst === undefined || dev === undefined ? [] : [[dst, dev] as const])));
}

/** Whether a namespace with these links is a sandbox that was made whole, and for just this. */
export function isLaidOut(links: readonly FoundLink[], layout: Layout): boolean {
  return links.some(({ name, up, alias }) => name === 'lo' && up && alias === layoutText(layout));
}

/** Our veths whose task is none of `tasks` (ids). */
export function strayVeths(links: readonly FoundLink[], tasks: Iterable<string>): string[] {
  const expected = new Set([...tasks].map(vethName));
  return links.map(({ name }) => name).filter((name) => name.startsWith('v-') && !expected.has(name));
}

export interface TaskEnd {
  readonly id: string;
  readonly interface: string;
  readonly address: string;
  readonly address6?: string;
}

/** What a task's link lacks, in one sentence, or undefined when both its ends are as they were made. */
export function linkFault(task: TaskEnd, mtu: number, sandbox: { links: readonly FoundLink[]; routes: ReadonlyMap<string, string> }, taskLinks: readonly FoundLink[]): string | undefined {
  const veth = vethName(task.id);
  const near = sandbox.links.find(({ name }) => name === veth);
  const far = taskLinks.find(({ name }) => name === task.interface);
  if (!near || !far) return `it has lost ${task.interface}`;
  if (near.peer !== far.index) return `its ${task.interface} leads elsewhere`;
  if (!near.up || !far.up) return `its ${task.interface} is down`;
  if (near.mtu !== mtu || far.mtu !== mtu) return `its ${task.interface} has another MTU than ${mtu}`;
  for (const address of [task.address, ...(task.address6 === undefined ? [] : [task.address6])]) {
    if (!far.addresses.includes(address)) return `its ${task.interface} has lost ${address}`;
    if (sandbox.routes.get(address) !== veth) return `there is no route to ${address}`;
  }
  return undefined;
}
