/**
 * Reads what ipvsadm prints of services that take packets by their mark. Pure; tool.ts runs it. Other services are nobody's
 * concern here, and left out.
 */
import { keyOf, type Destination, type VirtualService } from './service.js';

/**
 * From `ipvsadm -Sn` (what they are) and `ipvsadm -Ln --thresholds --nosort` (thresholds, which the first does not print, and the
 * kernel's order, which it sorts). A service may have come or gone between the two: then its order is as sorted, and it has
 * no thresholds.
 */
export function readServices(saved: string, thresholds: string): VirtualService[] {
  const limits = readTable(thresholds);
  const services: (VirtualService & { destinations: Destination[] })[] = [];
  for (const line of saved.split('\n')) {
    const words = line.trim().split(/\s+/);
    const option = (name: string): string | undefined => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
    const mark = Number(option('-f'));
    if (!(mark > 0)) continue;
    if (words[0] === '-A') {
      services.push({
        mark,
        scheduler: option('-s') ?? '',
        flags: (option('-b') ?? '').split(',').filter((flag) => flag !== '').sort(),
        persistence: Number(option('-p') ?? 0),
        destinations: [],
      });
    } else if (words[0] === '-a' && services.at(-1)?.mark === mark) {
      const [address = '', port = '0'] = (option('-r') ?? '').split(':');
      const key = keyOf({ address, port: Number(port) });
      const [upper = 0, lower = 0] = limits.get(mark)?.get(key) ?? [];
      services.at(-1)!.destinations.push({ address, port: Number(port), weight: Number(option('-w') ?? 1), upper, lower });
    }
  }
  for (const { mark, destinations } of services) {
    const order = [...(limits.get(mark)?.keys() ?? [])];
    const place = (one: Destination): number => order.indexOf(keyOf(one));
    destinations.sort((a, b) => place(a) - place(b));
  }
  return services;
}

export interface DestinationCount {
  readonly mark: number;
  readonly address: string;
  readonly port: number;
  /** Connections now. */
  readonly active: number;
  readonly inactive: number;
  /** Since the destination was added. */
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** From `ipvsadm -Ln --thresholds --nosort` and `ipvsadm -Ln --stats --exact --nosort`. */
export function readCounts(thresholds: string, stats: string): DestinationCount[] {
  const totals = readTable(stats);
  const counts: DestinationCount[] = [];
  for (const [mark, destinations] of readTable(thresholds)) {
    for (const [key, [, , active = 0, inactive = 0]] of destinations) {
      const [connections = 0, , , bytesIn = 0, bytesOut = 0] = totals.get(mark)?.get(key) ?? [];
      const [address = '', port = '0'] = key.split(':');
      counts.push({ mark, address, port: Number(port), active, inactive, connections, bytesIn, bytesOut });
    }
  }
  return counts;
}

/** The columns of numbers behind each `-> address:port`, by mark and in the order printed. */
function readTable(text: string): Map<number, Map<string, number[]>> {
  const tables = new Map<number, Map<string, number[]>>();
  let current: Map<string, number[]> | undefined;
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[0] === 'FWM') {
      current = new Map<string, number[]>();
      tables.set(Number(words[1]), current);
    } else if (words[0] !== '->') current = undefined;
    // An address of an IPv6 destination is in brackets; ours are IPv4.
    else if (/^[\d.]+:\d+$/.test(words[1] ?? '')) current?.set(words[1]!, words.slice(2).map(Number));
  }
  return tables;
}

export interface IpvsConnection {
  readonly protocol: 'tcp' | 'udp';
  /** Seconds. */
  readonly expires: number;
  readonly state: string;
  /** `address:port` each. */
  readonly client: string;
  readonly virtual: string;
  readonly destination: string;
}

/** From `ipvsadm -Lnc`. Templates of persistence (protocol IP) are no connections and are left out. */
export function readConnections(text: string): IpvsConnection[] {
  const found: IpvsConnection[] = [];
  for (const line of text.split('\n')) {
    const [protocol, expires = '', state = '', client, virtual, destination] = line.trim().split(/\s+/);
    if ((protocol !== 'TCP' && protocol !== 'UDP') || client === undefined || virtual === undefined || destination === undefined) continue;
    const [minutes = 0, seconds = 0] = expires.split(':').map(Number);
    found.push({ protocol: protocol === 'TCP' ? 'tcp' : 'udp', expires: minutes * 60 + seconds, state, client, virtual, destination });
  }
  return found;
}

export interface IpvsTimeouts {
  /** Seconds. */
  readonly established: number;
  readonly closing: number;
  readonly udp: number;
}

/** From `ipvsadm -Ln --timeout`; undefined when it is not that. */
export function readTimeouts(text: string): IpvsTimeouts | undefined {
  const found = /Timeout \(tcp tcpfin udp\): (\d+) (\d+) (\d+)/.exec(text);
  return found ? { established: Number(found[1]), closing: Number(found[2]), udp: Number(found[3]) } : undefined;
}
