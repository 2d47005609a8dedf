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
import { cidrContains, parseCidr, parseIpv4 } from '../../proxy/net/addr.js';
import type { Cidr } from '../../proxy/net/addr.js';
import { RCODE, TYPE } from './record.js';
import type { Answer, AnswerRecord, Question } from './record.js';
import type { DnsNetwork, DnsTask, DnsView } from './view.js';

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
  /** Addresses by lower-case name. An empty list is a name that we know and that has no live task. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** Full names by address. */
  readonly pointers: ReadonlyMap<number, string>;
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

  const names = new Map<string, Set<string>>();
  const pointers = new Map<number, string>();
  const add = (name: string, addresses: readonly string[]): void => {
    const key = name.toLowerCase();
    const set = names.get(key) ?? new Set();
    for (const address of addresses) set.add(address);
    names.set(key, set);
  };
  const addTask = (task: DnsTask): void => {
    for (const name of [task.name, task.id, ...task.aliases]) add(name, [task.address]);
    pointers.set(parseIpv4(task.address), `${task.name}.${network.name}.`);
  };

  for (const service of network.services) {
    const tasks = service.tasks.map((task) => task.address);
    for (const name of new Set([service.name, ...service.aliases])) {
      add(name, service.vip === undefined ? tasks : [service.vip]);
      add(`tasks.${name}`, tasks);
    }
    service.tasks.forEach(addTask);
    if (service.vip !== undefined) pointers.set(parseIpv4(service.vip), `${service.name}.${network.name}.`);
  }
  network.tasks.forEach(addTask);

  const result = {
    suffix: `.${network.name.toLowerCase()}`,
    subnet: parseCidr(network.subnet),
    names: new Map([...names].map(([name, addresses]) => [name, [...addresses]])),
    pointers,
  };
  compiled.set(network, result);
  return result;
}

/** `random` gives numbers from 0 to below 1. The question's class is IN: the caller has looked. */
export function answer(zone: Zone, question: Question, random: () => number): Decision {
  const name = question.name.toLowerCase().replace(/\.$/, '');

  const address = reverseAddress(name);
  if (address !== undefined) return answerReverse(zone, question.type, address);

  const addresses = lookUp(zone, name);
  if (addresses) {
    // Every other type of a name that exists, AAAA above all, is "no such data" and not "no such name": a client that
    // reads NXDOMAIN for AAAA gives the whole name up (RFC 4074 section 4.2). For the same reason a service without a
    // live task stays a name; Docker forgets it and asks the outside, which leaks it.
    const wanted = question.type === TYPE.A || question.type === TYPE.ANY;
    return ours(wanted ? shuffle(addresses, random).map((text) => ({ type: TYPE.A, ttl: ANSWER_TTL, address: text })) : []);
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
function lookUp(zone: Zone, name: string): readonly string[] | undefined {
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

/** RFC 1035 section 3.5: `5.1.0.10.in-addr.arpa` is 10.0.1.5. Undefined for anything but a whole address. */
function reverseAddress(name: string): number | undefined {
  if (!name.endsWith(REVERSE)) return undefined;
  try {
    return parseIpv4(name.slice(0, -REVERSE.length).split('.').reverse().join('.'));
  } catch {
    return undefined;
  }
}

function answerReverse(zone: Zone, type: number, address: number): Decision {
  for (const network of zone.networks) {
    const target = network.pointers.get(address);
    if (target === undefined) continue;
    return ours(type === TYPE.PTR || type === TYPE.ANY ? [{ type: TYPE.PTR, ttl: ANSWER_TTL, target }] : []);
  }
  if (zone.networks.some((network) => cidrContains(network.subnet, address))) return NO_SUCH_NAME;
  return outside(zone);
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
