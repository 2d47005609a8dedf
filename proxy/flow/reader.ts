/**
 * Reads a flow table and its address book from another thread while their writer goes on.
 *
 * A slot may be freed or reused while it is read, and an address handle with it. A flow's identity (tuples, protocol, birth) is
 * therefore read before and after the rest, with its kind read between: when both agree, the flow lived with this identity when the kind
 * was read. The generation of each handle is compared in the same way. After a few disagreements the slot is skipped, for
 * then it has just changed hands. Counts and times within one record may be a packet apart. Nothing is decided by what is
 * read here but what a user is shown and how long a drain waits.
 */
import { QUIET_MS, type FlowRecord, type FlowState, type VipFlow } from '../dataplane/handle.js';
import type { Snapshot } from '../config/snapshot.js';
import { formatIpv4 } from '../net/addr.js';
import { formatIpv6, type Ipv6, sameIpv6 } from '../net/addr6.js';
import { AddressReader } from './address-book.js';
import {
  BYTES_IN,
  BYTES_OUT,
  CLIENT,
  CLIENT_PORTS,
  CREATED,
  ENDPOINT,
  ENDPOINT_PORTS,
  FLAG_V6,
  HEADER_HIGH_WATER,
  HEADER_LIVE,
  HEADER_NOW,
  KEY_MASK,
  KIND,
  LAST_SEEN,
  SLOT_WORDS,
  State,
  STATE_MASK,
  VIP,
} from './slot.js';

const PROTOCOLS: Readonly<Record<number, FlowRecord['protocol']>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp' };
const IDENTITY = [CLIENT, VIP, ENDPOINT, CLIENT_PORTS, ENDPOINT_PORTS, CREATED] as const;
const ATTEMPTS = 3;

/** By State. */
const STATE_NAMES: readonly FlowState[] = [
  'closed',
  'opening',
  'opening',
  'established',
  'closing',
  'closing',
  'closing',
  'closing',
  'closed',
  'udp',
  'icmp',
];

/** An address without a port is what an ICMP query has on the side that is asked. */
function formatSide(address: number | Ipv6, port: number): string {
  const text = typeof address === 'number' ? formatIpv4(address) : formatIpv6(address);
  if (port === 0) return text;
  return typeof address === 'number' ? `${text}:${port}` : `[${text}]:${port}`;
}

/** Names of services by the text of their VIPs. */
function servicesOf(network: Snapshot['networks'][number]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { name, vip, vip6 } of network.services) {
    names.set(formatIpv4(vip), name);
    if (vip6) names.set(formatIpv6(vip6), name);
  }
  return names;
}

export class FlowReader {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #book: AddressReader;

  /** @param table of `FlowTable.allocate`, @param book of `AddressBook.allocate`: of the same worker */
  constructor(table: SharedArrayBuffer, book: SharedArrayBuffer) {
    this.#words = new Int32Array(table);
    this.#doubles = new Float64Array(table);
    this.#book = new AddressReader(book);
  }

  /** Flows in the table, lingering ones included. */
  get size(): number {
    return Atomics.load(this.#words, HEADER_LIVE);
  }

  /**
   * Every flow whose network is in the snapshot; `service` is empty when its VIP no longer is. Ages are by the writer's
   * clock as of its last tick, so no thread needs another's clock; their resolution is 100 ms.
   */
  list(names: Pick<Snapshot, 'networks'>): FlowRecord[] {
    const networks = new Map(names.networks.map((network) => [network.index, network]));
    const services = new Map(names.networks.map((network) => [network.index, servicesOf(network)]));
    const records: FlowRecord[] = [];
    const end = Atomics.load(this.#words, HEADER_HIGH_WATER);
    for (let slot = 1; slot <= end; slot++) {
      const flow = this.#read(slot);
      if (!flow) continue;
      const network = networks.get(flow.kind >>> 16);
      if (!network) continue;
      const now = Atomics.load(this.#words, HEADER_NOW);
      records.push({
        network: network.name,
        service: services.get(network.index)?.get(formatSide(flow.vip, 0)) ?? '',
        protocol: PROTOCOLS[(flow.kind >>> 8) & 0xff] ?? 'tcp',
        client: formatSide(flow.client, flow.clientPorts >>> 16),
        vip: formatSide(flow.vip, flow.clientPorts & 0xffff),
        endpoint: formatSide(flow.endpoint, flow.endpointPorts >>> 16),
        state: STATE_NAMES[flow.kind & STATE_MASK] ?? 'closed',
        bytesIn: flow.bytesIn,
        bytesOut: flow.bytesOut,
        age: Math.max(0, now - flow.created) * 100,
        idle: Math.max(0, now - flow.lastSeen) * 100,
        path: 'tun',
      });
    }
    return records;
  }

  /**
   * Flows to an endpoint that still go on, by its IPv4 address and its IPv6 address if it has one: not those that are
   * closed, nor UDP flows and ICMP queries that have been idle for QUIET_MS.
   */
  countTo(network: number, address: number, address6?: Ipv6): number {
    const words = this.#words;
    const end = Atomics.load(words, HEADER_HIGH_WATER);
    let count = 0;
    for (let slot = 1; slot <= end; slot++) {
      const word = slot * SLOT_WORDS;
      const kind = Atomics.load(words, word + KIND);
      const state = kind & STATE_MASK;
      if (state === State.free || state === State.closed || kind >>> 16 !== network) continue;
      if ((state === State.udp || state === State.icmp) && (Atomics.load(words, HEADER_NOW) - words[word + LAST_SEEN]!) * 100 >= QUIET_MS) continue;
      const endpoint = words[word + ENDPOINT]!;
      if ((kind & FLAG_V6) === 0) count += endpoint === address ? 1 : 0;
      else if (address6 !== undefined && this.#book.has(endpoint) && sameIpv6(this.#book.read(endpoint), address6)) count++;
    }
    return count;
  }

  /** TCP and UDP flows to an IPv4 VIP that go on, but had no packet for `silent` ms. */
  silentTo(network: number, vip: number, silent: number): VipFlow[] {
    const words = this.#words;
    const flows: VipFlow[] = [];
    const end = Atomics.load(words, HEADER_HIGH_WATER);
    for (let slot = 1; slot <= end; slot++) {
      const word = slot * SLOT_WORDS;
      const kind = Atomics.load(words, word + KIND);
      const state = kind & STATE_MASK;
      if (state === State.free || state === State.closed || state === State.icmp || kind >>> 16 !== network || (kind & FLAG_V6) !== 0) continue;
      if ((Atomics.load(words, HEADER_NOW) - words[word + LAST_SEEN]!) * 100 < silent) continue;
      const flow = this.#read(slot);
      if (flow?.vip !== vip || typeof flow.client !== 'number' || typeof flow.endpoint !== 'number') continue;
      flows.push({
        protocol: state === State.udp ? 'udp' : 'tcp',
        client: flow.client,
        clientPort: flow.clientPorts >>> 16,
        vipPort: flow.clientPorts & 0xffff,
        endpoint: flow.endpoint,
        endpointPort: flow.endpointPorts >>> 16,
        balancerPort: flow.endpointPorts & 0xffff,
      });
    }
    return flows;
  }

  #read(slot: number) {
    const words = this.#words;
    const word = slot * SLOT_WORDS;
    const load = (field: number): number => Atomics.load(words, word + field);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const kind = load(KIND);
      if (kind === 0) return undefined;
      const identity = IDENTITY.map(load);
      const [client, vip, endpoint, clientPorts, endpointPorts, created] = identity as [number, number, number, number, number, number];
      const handles = (kind & FLAG_V6) === 0 ? [] : [client, vip, endpoint];
      const generations = handles.map((handle) => this.#book.generation(handle));
      if (generations.some((generation) => (generation & 1) === 1)) continue;
      const [client6, vip6, endpoint6] = handles.map((handle) => this.#book.read(handle));
      const flow = {
        kind,
        client: client6 ?? client,
        vip: vip6 ?? vip,
        endpoint: endpoint6 ?? endpoint,
        clientPorts,
        endpointPorts,
        created,
        lastSeen: load(LAST_SEEN),
        bytesIn: this.#doubles[slot * 8 + BYTES_IN]!,
        bytesOut: this.#doubles[slot * 8 + BYTES_OUT]!,
      };
      if (((load(KIND) ^ kind) & KEY_MASK) !== 0) continue;
      const same = IDENTITY.every((field, i) => load(field) === identity[i]);
      if (same && handles.every((handle, i) => this.#book.generation(handle) === generations[i])) return flow;
    }
    return undefined;
  }
}
