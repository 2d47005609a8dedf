/**
 * How a plan is laid out in nftables: table `ip vipmesh`, ours alone. Pure; nft-driver.ts installs it.
 *
 *     VIP, or VIP . protocol . port  ── maps addresses, ports ──▶  chain of the service
 *     chain of the service           ── ct mark := MARK << 12 | next turn
 *     that mark                      ── maps endpoints, endpoint-ports ──▶  dnat
 *
 * Only the first packet of a flow meets the rules; the others go by its conntrack entry, whose mark tells service and turn. All
 * that a service has is one chain with one rule, and elements of maps. So neither a packet nor a change costs by the number of
 * services: a set in each chain would, because the kernel looks for the name of every new one among all (nf_tables_api.c,
 * nf_tables_set_alloc_name), and so would a dnat in each, because a rule with one has the whole table validated
 * (nft_nat_validate, nft_table_validate).
 *
 * Left to userspace, by the first rules: flows that conntrack knew before (a confirmed entry gets no NAT anymore,
 * nf_nat_core.c, nf_nat_setup_info, but it would get a mark), what does not begin a TCP connection, and
 * what another tool has given a mark: past that rule a mark is the turn that a service's chain has just given.
 */
import type { MarkMatch } from '../conntrack/tool.js';
import { markText } from '../nftables/expression.js';
import type { Chain, NftMap, Table } from '../nftables/table.js';
import { MARK_SPAN, type OffloadEndpoint, type OffloadPlan, type OffloadService } from './driver.js';
import { turnsOf } from './nft-turns.js';

export const TABLE = 'vipmesh';

/** Low bits of a conntrack mark are the turn, the others the service's mark. */
export const TURN_BITS = 12;
export const MOST_TURNS = 1 << TURN_BITS;
export const MARK_LIMIT = 2 ** (32 - TURN_BITS);
/** From which on all marks of a node fit. */
export const NFT_LARGEST_MARK_BASE = MARK_LIMIT - MARK_SPAN;

const PREROUTING = 'prerouting';
const POSTROUTING = 'postrouting';

const MAPS: Readonly<Record<string, Pick<NftMap, 'key' | 'value'>>> = {
  addresses: { key: 'ipv4_addr', value: 'verdict' },
  ports: { key: 'ipv4_addr . inet_proto . inet_service', value: 'verdict' },
  endpoints: { key: 'mark', value: 'ipv4_addr' },
  'endpoint-ports': { key: 'mark', value: 'ipv4_addr . inet_service' },
};

type MapName = 'addresses' | 'ports' | 'endpoints' | 'endpoint-ports';

/** What one service adds to the table. */
export interface ServicePart {
  readonly chain: readonly [name: string, chain: Chain];
  readonly elements: readonly (readonly [map: MapName, key: string, value: string])[];
}

/** What is there for all services. `least`: smallest mark that a service may have. */
export function baseChains(plan: Pick<OffloadPlan, 'subnet' | 'balancer'>, least: number): [string, Chain][] {
  const prerouting: Chain = {
    base: { type: 'nat', hook: 'prerouting', priority: -100 },
    rules: [
      'ct status confirmed accept',
      'meta l4proto != { tcp, udp } accept',
      'tcp flags & (fin | syn | rst | ack) != syn accept',
      'ct mark != 0 accept',
      'ip daddr vmap @addresses',
      // After the address: a port of it has the last word.
      'ip daddr . meta l4proto . th dport vmap @ports',
      'dnat to ct mark map @endpoints',
      'meta l4proto { tcp, udp } dnat ip addr . port to ct mark map @endpoint-ports',
    ],
  };
  const postrouting: Chain = {
    base: { type: 'nat', hook: 'postrouting', priority: 100 },
    rules: [`ip daddr ${plan.subnet} ct status dnat ct mark >= ${markText(least * MOST_TURNS)} snat to ${plan.balancer}`],
  };
  return [
    [PREROUTING, prerouting],
    [POSTROUTING, postrouting],
  ];
}

/** Why a service cannot be laid out: a sentence, or undefined. */
export function refusal(service: OffloadService): string | undefined {
  const { scheduler, affinity, maxConnections, mark } = service;
  if (scheduler === 'sh' || scheduler === 'mh') return `nftables cannot choose by scheduler ${scheduler}: clients would change their endpoints with every switch`;
  if (scheduler !== 'rr' && scheduler !== 'wrr') return `nftables cannot choose by scheduler ${scheduler}: it does not know how many flows an endpoint has`;
  if (affinity > 0) return 'nftables cannot take over which client belongs to which endpoint (affinity)';
  if (maxConnections > 0) return 'nftables cannot limit the flows of an endpoint';
  if (mark >= MARK_LIMIT) return `mark 0x${mark.toString(16)} is too large: nftables takes marks below 0x${MARK_LIMIT.toString(16)}`;
  try {
    turns(service);
  } catch {
    return `the weights add up to more than ${MOST_TURNS} turns; weights with a common divisor, or smaller ones, need fewer`;
  }
  return undefined;
}

function turns({ endpoints, scheduler }: OffloadService): OffloadEndpoint[] {
  const weights = endpoints.map(({ weight }) => weight);
  return turnsOf(weights, scheduler === 'wrr', MOST_TURNS).map((index) => endpoints[index]!);
}

/**
 * `watch` and `finish` have all but the element that leads new flows to the chain, and so has a service that nobody takes flows
 * of: userspace refuses them. One that is refused as it is now, and has flows to finish, has an empty chain: they need no rule. Throws
 * RangeError for a service that is refused by its weights.
 */
export function servicePart(service: OffloadService): ServicePart {
  const { mark, address, port, phase } = service;
  const name = chainName(mark);
  const first = mark * MOST_TURNS;
  const order = phase === 'finish' && refusal(service) !== undefined ? [] : turns(service);
  const elements: [MapName, string, string][] = order.map((endpoint, turn) =>
    endpoint.port === 0 ? ['endpoints', markText(first + turn), endpoint.address] : ['endpoint-ports', markText(first + turn), `${endpoint.address} . ${endpoint.port}`],
  );
  if (phase === 'take' && order.length > 0) {
    elements.push(port ? ['ports', `${address} . ${port.protocol} . ${port.number}`, `jump ${name}`] : ['addresses', address, `jump ${name}`]);
  }
  const rules = order.length === 0 ? [] : [`ct mark set numgen inc mod ${order.length} offset ${markText(first)}`];
  return { chain: [name, { rules }], elements };
}

/** A table of some or all services, with all that is there for every one of them. */
export function tableOf(base: readonly (readonly [string, Chain])[], parts: Iterable<ServicePart>): Table {
  const elements: Record<MapName, Map<string, string>> = { addresses: new Map(), ports: new Map(), endpoints: new Map(), 'endpoint-ports': new Map() };
  const chains = new Map(base);
  for (const part of parts) {
    chains.set(...part.chain);
    for (const [map, key, value] of part.elements) elements[map].set(key, value);
  }
  const maps = Object.entries(elements).map(([name, of]): [string, NftMap] => [name, { ...MAPS[name]!, elements: of }]);
  return { name: TABLE, maps: new Map(maps), chains };
}

function chainName(mark: number): string {
  return `service-0x${mark.toString(16)}`;
}

/** Marks of the services that a table has, whoever made it. */
export function marksOf(table: Table): number[] {
  return [...table.chains.keys()].flatMap((name) => markOf(name) ?? []);
}

/** Those of them whose new flows are taken. */
export function takenMarks(table: Table): number[] {
  const verdicts = ['addresses', 'ports'].flatMap((map) => [...(table.maps.get(map)?.elements.values() ?? [])]);
  return [...new Set(verdicts.flatMap((verdict) => markOf(verdict.replace(/^jump /, '')) ?? []))];
}

function markOf(chain: string): number | undefined {
  const [, mark] = /^service-0x([0-9a-f]{1,8})$/.exec(chain) ?? [];
  return mark === undefined ? undefined : Number.parseInt(mark, 16);
}

/** The service's mark in a conntrack mark. */
export function serviceMark(conntrackMark: number): number {
  return Math.floor(conntrackMark / MOST_TURNS);
}

/** The conntrack marks of all flows of a service. */
export function conntrackMarks(mark: number): MarkMatch {
  return { value: mark * MOST_TURNS, mask: (2 ** 32 - MOST_TURNS) >>> 0 };
}
