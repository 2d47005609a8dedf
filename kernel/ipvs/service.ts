/**
 * Virtual services of IPVS that take packets by their mark, and their destinations, all by masquerading; and the lines for
 * `ipvsadm -R` that turn one into another. Pure. Which there should be is decided in offload/.
 *
 * The kernel puts a new destination before all others (net/netfilter/ipvs/ip_vs_ctl.c adds it at the head of the list). `sh` and
 * `mh` fill their tables in the list's order, so there it must be kept; the others take turns, and have no use for it.
 */

export type IpvsScheduler = 'rr' | 'wrr' | 'lc' | 'wlc' | 'sh' | 'mh';

export interface Destination {
  /** IPv4 text. */
  readonly address: string;
  /** 0: the port that the client asked for. */
  readonly port: number;
  readonly weight: number;
  /** Connections at which no new one is taken, and below which it is again; 0: any number. */
  readonly upper: number;
  readonly lower: number;
}

export interface VirtualService {
  readonly mark: number;
  /** An IpvsScheduler, when it is ours. */
  readonly scheduler: string;
  /** Scheduler flags, sorted. */
  readonly flags: readonly string[];
  /** Seconds that a client's template lives; 0: no persistence. */
  readonly persistence: number;
  /** In the order of the kernel's list. */
  readonly destinations: readonly Destination[];
}

/** What is to be done, in this order. Between `remove` and `add` a destination that is only moved is missing. */
export interface ServiceLines {
  readonly lines: readonly string[];
  /** Destinations are moved: connections must not be ended for want of them meanwhile. */
  readonly moves: boolean;
}

/** Of a service with another scheduler the order is not kept, and so not known either. */
const ORDERED = new Set(['sh', 'mh']);

/** From one state of a service to another; undefined: there is none. Both have the same mark. */
export function serviceLines(before: VirtualService | undefined, after: VirtualService | undefined): ServiceLines {
  if (!after) return { lines: before ? [`-D -f ${before.mark}`] : [], moves: false };
  if (!before) return { lines: [addService(after), ...[...after.destinations].reverse().map((one) => addDestination(after.mark, one))], moves: false };
  const lines: string[] = [];
  if (attributes(before) !== attributes(after)) lines.push(`-E ${attributes(after)}`);
  const changes = destinationLines(before, after);
  return { lines: [...lines, ...changes.lines], moves: changes.moves };
}

/** The line that makes the service, without destinations. */
export function addService(service: VirtualService): string {
  return `-A ${attributes(service)}`;
}

export function addDestination(mark: number, destination: Destination): string {
  return `-a ${destinationWords(mark, destination)}`;
}

export function deleteDestination(mark: number, destination: Pick<Destination, 'address' | 'port'>): string {
  return `-d -f ${mark} -r ${keyOf(destination)}`;
}

/** `address:port`, by which a service knows its destinations. */
export function keyOf({ address, port }: Pick<Destination, 'address' | 'port'>): string {
  return `${address}:${port}`;
}

/** How what is there differs from what should be, as sentences. */
export function serviceFaults(now: VirtualService | undefined, wanted: VirtualService): string[] {
  const name = `the IPVS service of mark ${wanted.mark}`;
  if (!now) return [`${name} is missing`];
  const faults: string[] = [];
  if (attributes(now) !== attributes(wanted)) faults.push(`${name} is '${attributes(now)}' and should be '${attributes(wanted)}'`);
  const has = new Map(now.destinations.map((one) => [keyOf(one), one]));
  for (const one of wanted.destinations) {
    const present = has.get(keyOf(one));
    has.delete(keyOf(one));
    if (!present) faults.push(`${name} lacks the destination ${keyOf(one)}`);
    else if (!same(present, one)) faults.push(`${name} has '${destinationWords(wanted.mark, present)}' and should have '${destinationWords(wanted.mark, one)}'`);
  }
  for (const key of has.keys()) faults.push(`${name} has the destination ${key}, which should not be there`);
  if (faults.length === 0 && ORDERED.has(wanted.scheduler) && keysOf(now).join() !== keysOf(wanted).join()) {
    faults.push(`${name} has its destinations in the order ${keysOf(now).join(', ')} and should have ${keysOf(wanted).join(', ')}`);
  }
  return faults;
}

function attributes({ mark, scheduler, flags, persistence }: VirtualService): string {
  const words = [`-f ${mark} -s ${scheduler}`];
  if (persistence > 0) words.push(`-p ${persistence}`);
  if (flags.length > 0) words.push(`-b ${flags.join(',')}`);
  return words.join(' ');
}

function destinationWords(mark: number, { upper, lower, weight, ...key }: Destination): string {
  return `-f ${mark} -r ${keyOf(key)} -m -w ${weight}${upper > 0 ? ` -x ${upper}` : ''}${lower > 0 ? ` -y ${lower}` : ''}`;
}

function destinationLines(before: VirtualService, after: VirtualService): ServiceLines {
  const { mark } = after;
  const had = new Map(before.destinations.map((one) => [keyOf(one), one]));
  const has = new Set(keysOf(after));
  const gone = before.destinations.filter((one) => !has.has(keyOf(one)));
  const stay = !ORDERED.has(after.scheduler) ? has : ORDERED.has(before.scheduler) ? standing(keysOf(before), keysOf(after)) : new Set<string>();
  const moved = after.destinations.filter((one) => had.has(keyOf(one)) && !stay.has(keyOf(one)));
  // Added at the head, the last one first.
  const added = after.destinations.filter((one) => !had.has(keyOf(one)) || !stay.has(keyOf(one))).reverse();
  const edited = after.destinations.filter((one) => stay.has(keyOf(one)) && had.has(keyOf(one)) && !same(had.get(keyOf(one))!, one));
  const take = (one: Destination): string => deleteDestination(mark, one);
  return {
    // New ones before old ones go, so that there is always one to take a flow.
    lines: [
      ...moved.map(take),
      ...added.map((one) => addDestination(mark, one)),
      ...edited.map((one) => `-e ${destinationWords(mark, one)}`),
      ...gone.map(take),
    ],
    moves: moved.length > 0,
  };
}

/** Those that may stay where they are: the longest end of `wanted` whose members `now` has in that order. */
function standing(now: readonly string[], wanted: readonly string[]): Set<string> {
  const stay = new Set<string>();
  let at = now.length;
  for (let i = wanted.length - 1; i >= 0; i--) {
    const found = now.lastIndexOf(wanted[i]!, at - 1);
    if (at <= 0 || found < 0) break;
    stay.add(wanted[i]!);
    at = found;
  }
  return stay;
}

function keysOf({ destinations }: VirtualService): string[] {
  return destinations.map(keyOf);
}

function same(a: Destination, b: Destination): boolean {
  return a.weight === b.weight && a.upper === b.upper && a.lower === b.lower;
}
