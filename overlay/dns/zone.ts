/**
 * What a task may ask for, and the answer: pure, no bytes and no sockets.
 *
 * A DnsView is compiled once per change into maps; the map of a network is made once for all the tasks that are on it.
 * Answers follow Docker's resolver: a service by its VIP, or by every task in dnsrr; `tasks.NAME`; a task by name or
 * short id; aliases; each also with `.NETWORK`; TTL 600; addresses in random order.
 *
 * Negative answers carry no SOA record on purpose: without one nobody may cache them (RFC 2308 section 5), and a task
 * that is about to start must be found as soon as it is there.
 */
import { cidrContains, isIpv4, parseCidr, parseIpv4 } from '../../proxy/net/addr.js';
import type { Cidr } from '../../proxy/net/addr.js';
import { cidr6Contains, formatIpv6, parseCidr6, parseIpv6 } from '../../proxy/net/addr6.js';
import type { Cidr6 } from '../../proxy/net/addr6.js';
import { RCODE, TYPE } from './record.js';
import type { Answer, AnswerRecord, Question } from './record.js';
import type { DnsNetwork, DnsService, DnsTask, DnsView } from './view.js';

/** Seconds. Docker's value. */
export const ANSWER_TTL = 600;

/** `forward`: not ours, ask the host's resolvers. `blocked`: not ours, and this task may not ask outside. */
export type Decision = Answer | 'forward' | 'blocked';

export interface Zone {
  readonly networks: readonly CompiledNetwork[];
  readonly internal: boolean;
}

interface CompiledNetwork {
  /** `.overlay1` */
  readonly suffix: string;
  readonly subnet: Cidr;
  readonly subnet6: Cidr6 | undefined;
  /** By lower-case name. */
  readonly names: ReadonlyMap<string, Addresses>;
  /** Full names by address, in its canonical text. */
  readonly pointers: ReadonlyMap<string, string>;
}

/** Of one name. Both lists empty: a name that we know and that has no live task. */
interface Addresses {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

interface Address {
  readonly address: string;
  readonly address6?: string;
}

/** Views are immutable and share their networks: what was compiled for one task serves the others. */
const compiled = new WeakMap<DnsNetwork, CompiledNetwork>();

export function compileZone(view: DnsView): Zone {
  return {
    networks: view.networks.map(compileNetwork),
    internal: view.networks.length > 0 && view.networks.every((network) => network.internal),
  };
}

function compileNetwork(network: DnsNetwork): CompiledNetwork {
  const known = compiled.get(network);
  if (known) return known;

  const names = new Map<string, { ipv4: Set<string>; ipv6: Set<string> }>();
  const pointers = new Map<string, string>();
  const add = (name: string, addresses: readonly Address[]): void => {
    const key = name.toLowerCase();
    const sets = names.get(key) ?? { ipv4: new Set(), ipv6: new Set() };
    for (const { address, address6 } of addresses) {
      sets.ipv4.add(address);
      if (address6 !== undefined) sets.ipv6.add(address6);
    }
    names.set(key, sets);
  };
  const point = ({ address, address6 }: Address, name: string): void => {
    pointers.set(address, `${name}.${network.name}.`);
    if (address6 !== undefined) pointers.set(address6, `${name}.${network.name}.`);
  };
  const addTask = (task: DnsTask): void => {
    for (const name of [task.name, task.id, ...task.aliases]) add(name, [task]);
    point(task, task.name);
  };

  for (const service of network.services) {
    const vip = vipOf(service);
    for (const name of new Set([service.name, ...service.aliases])) {
      add(name, vip === undefined ? service.tasks : [vip]);
      add(`tasks.${name}`, service.tasks);
    }
    service.tasks.forEach(addTask);
    if (vip !== undefined) point(vip, service.name);
  }
  network.tasks.forEach(addTask);

  const result = {
    suffix: `.${network.name.toLowerCase()}`,
    subnet: parseCidr(network.subnet),
    subnet6: network.subnet6 === undefined ? undefined : parseCidr6(network.subnet6),
    names: new Map([...names].map(([name, { ipv4, ipv6 }]) => [name, { ipv4: [...ipv4], ipv6: [...ipv6] }])),
    pointers,
  };
  compiled.set(network, result);
  return result;
}

function vipOf({ vip, vip6 }: DnsService): Address | undefined {
  return vip === undefined ? undefined : { address: vip, ...(vip6 !== undefined && { address6: vip6 }) };
}

/** `random` gives numbers from 0 to below 1. The question's class is IN: the caller has looked. */
export function answer(zone: Zone, question: Question, random: () => number): Decision {
  const name = question.name.toLowerCase().replace(/\.$/, '');

  const address = reverseAddress(name);
  if (address !== undefined) return answerReverse(zone, question.type, address);

  const addresses = lookUp(zone, name);
  if (addresses) {
    // Every other type of a name that exists, AAAA of one without IPv6 above all, is "no such data" and not "no such name":
    // a client that reads NXDOMAIN for AAAA gives the whole name up (RFC 4074 section 4.2). For the same reason a service
    // without a live task stays a name; Docker forgets it and asks the outside, which leaks it.
    const records = (type: typeof TYPE.A | typeof TYPE.AAAA, list: readonly string[]): AnswerRecord[] =>
      question.type === type || question.type === TYPE.ANY ? shuffle(list, random).map((text) => ({ type, ttl: ANSWER_TTL, address: text })) : [];
    return ours([...records(TYPE.A, addresses.ipv4), ...records(TYPE.AAAA, addresses.ipv6)]);
  }
  if (isOurs(zone, name)) return NO_SUCH_NAME;
  return outside(zone);
}

const NO_SUCH_NAME: Answer = { rcode: RCODE.NXDOMAIN, authoritative: true, answers: [] };

function ours(answers: readonly AnswerRecord[]): Answer {
  return { rcode: RCODE.NOERROR, authoritative: true, answers };
}

function outside(zone: Zone): Decision {
  return zone.internal ? 'blocked' : 'forward';
}

/** First the name as it stands, then as `NAME.NETWORK`; among several networks the first interface wins. */
function lookUp(zone: Zone, name: string): Addresses | undefined {
  for (const network of zone.networks) {
    const found = network.names.get(name);
    if (found) return found;
  }
  for (const network of zone.networks) {
    const found = name.endsWith(network.suffix) ? network.names.get(name.slice(0, -network.suffix.length)) : undefined;
    if (found) return found;
  }
  return undefined;
}

/**
 * A name that nobody outside could know: it must not leave the host even though we do not have it. `tasks.x` is ours,
 * `tasks.example.com` may well be someone's.
 */
function isOurs(zone: Zone, name: string): boolean {
  return /^tasks\.[^.]+$/.test(name) || zone.networks.some((network) => name.endsWith(network.suffix));
}

const REVERSE = '.in-addr.arpa';
const REVERSE_6 = '.ip6.arpa';
/** 32 hexadecimal digits. */
const NIBBLES = /^[0-9a-f](?:\.[0-9a-f]){31}$/;

/**
 * RFC 1035 section 3.5: `5.1.0.10.in-addr.arpa` is 10.0.1.5; RFC 3596 section 2.5: the nibbles of an IPv6 address, the last
 * first. Canonical text; undefined for anything but a whole address.
 */
function reverseAddress(name: string): string | undefined {
  if (name.endsWith(REVERSE_6)) {
    const nibbles = name.slice(0, -REVERSE_6.length);
    if (!NIBBLES.test(nibbles)) return undefined;
    const groups = nibbles.split('.').reverse().join('').match(/.{4}/g) ?? [];
    return formatIpv6(parseIpv6(groups.join(':')));
  }
  if (!name.endsWith(REVERSE)) return undefined;
  const text = name.slice(0, -REVERSE.length).split('.').reverse().join('.');
  return isIpv4(text) ? text : undefined;
}

function answerReverse(zone: Zone, type: number, address: string): Decision {
  for (const network of zone.networks) {
    const target = network.pointers.get(address);
    if (target === undefined) continue;
    return ours(type === TYPE.PTR || type === TYPE.ANY ? [{ type: TYPE.PTR, ttl: ANSWER_TTL, target }] : []);
  }
  if (zone.networks.some((network) => isWithin(network, address))) return NO_SUCH_NAME;
  return outside(zone);
}

function isWithin({ subnet, subnet6 }: CompiledNetwork, address: string): boolean {
  if (address.includes(':')) return subnet6 !== undefined && cidr6Contains(subnet6, parseIpv6(address));
  return cidrContains(subnet, parseIpv4(address));
}

/** Fisher–Yates, on a copy: every order is equally likely. */
function shuffle(list: readonly string[], random: () => number): string[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const swap = copy[i] as string;
    copy[i] = copy[j] as string;
    copy[j] = swap;
  }
  return copy;
}
