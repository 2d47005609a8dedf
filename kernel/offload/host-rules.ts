/**
 * The rules on the host that send what published ports are asked to the ingress sandbox: which ones, for nftables and for iptables. Pure;
 * host-ports.ts installs them.
 *
 * Only flows that begin there are sent, TCP by its SYN: what connection tracking knew before is the relay's and stays so. Loopback
 * addresses are the relay's, too: their packets may not leave the host. Others' rules come first: nftables asks the chain with the
 * lower priority, and in iptables ours are at the end.
 *
 * Into the sandbox and out of it goes what was sent there, and its replies. A task that tries to reach the outside by the way back is stopped.
 */
import type { Chain as XtablesChain } from '../iptables/chains.js';
import type { Conditions, Rule } from '../iptables/rule.js';
import type { Chain as NftChain, Table } from '../nftables/table.js';
import type { OffloadPlan, OffloadPort } from './driver.js';
import type { HostLink } from './host-link.js';

/** Of nftables, by the link's name: each agent on a host has its own. */
export function hostTableName(link: string): string {
  return `vipmesh-ingress-${agentOf(link)}`;
}

/** Of the table that outlasts a flush. */
export function keeperTableName(link: string): string {
  return `vipmesh-keep-${agentOf(link)}`;
}

/** Of iptables, where a name has 28 characters at most. */
export function hostChainName(link: string): string {
  return `VIPMESH-INGRESS-${agentOf(link)}`;
}

/** `vm1a2b` of `vm1a2b-ingress` */
function agentOf(link: string): string {
  return link.replace(/-.*$/, '');
}

/** Those of iptables that we have a chain in. */
export const HOST_TABLES = ['filter', 'nat'] as const;

const LOOPBACK = '127.0.0.0/8';
/** dstnat is -100: whoever else translates comes first. */
const AFTER_OTHERS = -90;
const MANGLE = -150;

type Link = Pick<HostLink, 'name' | 'address'>;

/** The ports that a plan wants sent: those whose new flows the sandbox takes. */
export function sentPorts({ services }: Pick<OffloadPlan, 'services'>): OffloadPort[] {
  return services.flatMap(({ port, phase, endpoints }) => (port !== undefined && phase === 'take' && endpoints.some(({ weight }) => weight > 0) ? [port] : []));
}

export function portText({ protocol, number, hostAddress }: OffloadPort): string {
  return `${hostAddress ?? '*'}:${number}/${protocol}`;
}

/** Of one port: the map that it is in, its key and its value. */
function element({ protocol, number, hostAddress }: OffloadPort): [map: 'ports' | 'addresses', key: string, value: string] {
  const port = `${protocol} . ${number}`;
  return hostAddress === undefined ? ['ports', port, 'goto send'] : ['addresses', `${hostAddress} . ${port}`, 'goto send'];
}

export function hostTable({ name, address }: Link, ports: readonly OffloadPort[]): Table {
  const elements = { ports: new Map<string, string>(), addresses: new Map<string, string>() };
  for (const port of ports) {
    const [map, key, value] = element(port);
    elements[map].set(key, value);
  }
  const local: NftChain = { rules: ['fib daddr type local jump published'] };
  return {
    name: hostTableName(name),
    maps: new Map([
      ['ports', { key: 'inet_proto . inet_service', value: 'verdict', elements: elements.ports }],
      ['addresses', { key: 'ipv4_addr . inet_proto . inet_service', value: 'verdict', elements: elements.addresses }],
    ]),
    chains: new Map<string, NftChain>([
      ['send', { rules: [`dnat to ${address}`] }],
      [
        'published',
        {
          rules: [
            'ct status confirmed accept',
            `ip saddr ${LOOPBACK} accept`,
            `ip daddr ${LOOPBACK} accept`,
            'meta l4proto != { tcp, udp } accept',
            'tcp flags & (fin | syn | rst | ack) != syn accept',
            'ip daddr . meta l4proto . th dport vmap @addresses',
            'meta l4proto . th dport vmap @ports',
          ],
        },
      ],
      ['prerouting', { base: { type: 'nat', hook: 'prerouting', priority: AFTER_OTHERS }, ...local }],
      ['output', { base: { type: 'nat', hook: 'output', priority: AFTER_OTHERS }, ...local }],
      ['guard', { base: { type: 'filter', hook: 'prerouting', priority: MANGLE }, rules: [`meta iifname ${name} ct status ! dnat drop`] }],
    ]),
  };
}

/** The ports that a table sends. */
export function tablePorts({ maps }: Table): OffloadPort[] {
  const keys = (map: string): string[][] => [...(maps.get(map)?.elements.keys() ?? [])].map((key) => key.split(' . '));
  const portOf = ([protocol, number]: readonly string[], hostAddress?: string): OffloadPort[] =>
    protocol === 'tcp' || protocol === 'udp' ? [{ protocol, number: Number(number), ...(hostAddress !== undefined && { hostAddress }) }] : [];
  return [...keys('ports').flatMap((key) => portOf(key)), ...keys('addresses').flatMap(([hostAddress, ...key]) => portOf(key, hostAddress))];
}

function sendRule({ protocol, number, hostAddress }: OffloadPort, { address }: Link): Rule {
  return {
    ...(hostAddress !== undefined && { destination: `${hostAddress}/32` }),
    protocol,
    port: number,
    ...(protocol === 'tcp' && { syn: true as const }),
    unconfirmed: true,
    action: { kind: 'dnat', to: `${address}:${number}` },
  };
}

/** By table. `filter`: also where its policy is to drop what is forwarded. */
export function hostChains(link: Link, ports: readonly OffloadPort[]): Readonly<Record<(typeof HOST_TABLES)[number], XtablesChain[]>> {
  const when: Conditions = { notSource: LOOPBACK, notDestination: LOOPBACK, local: true };
  return {
    nat: [{ name: hostChainName(link.name), from: ['PREROUTING', 'OUTPUT'].map((from) => ({ from, when })), members: ports.map((port) => sendRule(port, link)), tail: [] }],
    filter: [
      {
        name: hostChainName(link.name),
        from: ['INPUT', 'FORWARD'].map((from) => ({ from, when: {} })),
        members: [],
        tail: [
          { inInterface: link.name, dnat: true, action: { kind: 'accept' } },
          { outInterface: link.name, dnat: true, action: { kind: 'accept' } },
          { inInterface: link.name, action: { kind: 'drop' } },
        ],
      },
    ],
  };
}

/** The ports that our chain of table nat sends. */
export function chainPorts(rules: readonly { readonly rule?: Rule }[]): OffloadPort[] {
  return rules.flatMap(({ rule }) =>
    rule?.action.kind === 'dnat' && rule.protocol !== undefined && rule.port !== undefined
      ? [{ protocol: rule.protocol, number: rule.port, ...(rule.destination !== undefined && { hostAddress: rule.destination.replace(/\/32$/, '') }) }]
      : [],
  );
}
