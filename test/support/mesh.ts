/**
 * One dual-stack network with a service `vote` (two endpoints), a service without endpoints, and a pipeline that serves it.
 */
import type { BalancingPolicy, EndpointConfig, ServiceConfig, Snapshot, Timeouts } from '../../proxy/config/snapshot.js';
import { Counters, Counter, type CounterName } from '../../proxy/dataplane/counters.js';
import { Pipeline } from '../../proxy/dataplane/pipeline.js';
import { AddressBook } from '../../proxy/flow/address-book.js';
import { FlowReader } from '../../proxy/flow/reader.js';
import { FlowTable } from '../../proxy/flow/table.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { type Ipv6, parseIpv6 } from '../../proxy/net/addr6.js';
import { AffinityTable } from '../../proxy/sched/affinity.js';
import type { Shared } from '../../proxy/sched/balancer.js';
import { EndpointStats } from '../../proxy/sched/stats.js';
import { makeFrame } from '../../proxy/wire/frame.js';

export const NETWORK = 3;
export const MTU = 1450;

export interface Addresses {
  readonly client: string;
  readonly balancer: string;
  readonly vip: string;
  readonly emptyVip: string;
  readonly endpoints: readonly [string, string];
}

export const IPV4: Addresses = { client: '10.0.1.9', balancer: '10.0.1.250', vip: '10.0.1.2', emptyVip: '10.0.1.3', endpoints: ['10.0.1.5', '10.0.1.6'] };
/** The same hosts by their IPv6 addresses. */
export const IPV6: Addresses = {
  client: ipv6Of(IPV4.client),
  balancer: ipv6Of(IPV4.balancer),
  vip: ipv6Of(IPV4.vip),
  emptyVip: ipv6Of(IPV4.emptyVip),
  endpoints: [ipv6Of(IPV4.endpoints[0]), ipv6Of(IPV4.endpoints[1])],
};
export const { client: CLIENT, balancer: BALANCER, vip: VIP, emptyVip: EMPTY_VIP, endpoints: ENDPOINTS } = IPV4;

/** `10.0.1.5` is also `fd00::1:5`. */
export function ipv6Of(address: string): string {
  const [, , network, host] = address.split('.').map(Number);
  return `fd00::${network!.toString(16)}:${host!.toString(16)}`;
}

function both(address: string): { address: number; address6: Ipv6 } {
  return { address: parseIpv4(address), address6: parseIpv6(ipv6Of(address)) };
}

export function endpoint(address: string, weight = 1, id = address): EndpointConfig {
  return { id, ...both(address), weight };
}

export interface ServiceChoices {
  readonly policy?: BalancingPolicy;
  readonly timeouts?: Timeouts;
  readonly scheduler?: ServiceConfig['scheduler'];
}

export function service(vip: string, endpoints: readonly EndpointConfig[], name = 'vote', choices: ServiceChoices = {}): ServiceConfig {
  const { address, address6 } = both(vip);
  return { id: `id-${name}`, name, vip: address, vip6: address6, scheduler: 'rr', endpoints, ...choices };
}

export function snapshot(epoch: number, services: readonly ServiceConfig[]): Snapshot {
  const { address, address6 } = both(BALANCER);
  return { epoch, networks: [{ index: NETWORK, id: 'id1', name: 'overlay1', balancer: address, balancer6: address6, mtu: MTU, services }] };
}

/** `vote` with its two endpoints, and `empty`. */
export function plain(choices: ServiceChoices = {}): ServiceConfig[] {
  return [service(VIP, ENDPOINTS.map((address) => endpoint(address)), 'vote', choices), service(EMPTY_VIP, [], 'empty')];
}

export const PLAIN = snapshot(1, plain());

export interface MeshOptions {
  readonly maxFlows?: number;
  /** See FlowTableOptions. */
  readonly advise?: (memory: Uint8Array) => void;
  readonly config?: Snapshot;
  /** Which of how many workers the pipeline is of. */
  readonly worker?: { readonly index: number; readonly count: number };
  /** What workers share, when it is one of several. */
  readonly shared?: Shared;
}

export function makeShared(): Shared {
  return { stats: new EndpointStats(EndpointStats.allocate()), affinity: new AffinityTable(AffinityTable.allocate(256)) };
}

export class Mesh {
  readonly table: FlowTable;
  readonly book: AddressBook;
  readonly reader: FlowReader;
  readonly counters = new Counters(Counters.allocate());
  readonly stats: EndpointStats;
  readonly pipeline: Pipeline;
  readonly frame = makeFrame();
  /** What came out without having been asked for by a packet, oldest first. */
  readonly emitted: Buffer[] = [];
  now = 1_000_000;
  config: Snapshot;

  constructor(options: MeshOptions = {}) {
    const maxFlows = options.maxFlows ?? 1024;
    const shared = options.shared ?? makeShared();
    this.stats = shared.stats;
    const buffer = FlowTable.allocate(maxFlows);
    const book = AddressBook.allocate(maxFlows + 256);
    this.table = new FlowTable(buffer, { hashKey: [0x12345678, -7], ...(options.advise ? { advise: options.advise } : {}) });
    this.book = new AddressBook(book, { hashKey: [7, 0x7654321] });
    this.reader = new FlowReader(buffer, book);
    this.pipeline = new Pipeline({
      table: this.table,
      book: this.book,
      counters: this.counters,
      shared,
      worker: options.worker ?? { index: 0, count: 1 },
      // So far apart that no two workers cut datagrams under one number.
      identification: (options.worker?.index ?? 0) << 16,
      emit: (_network, frame, length) => this.emitted.push(Buffer.from(frame.bytes.subarray(0, length))),
    });
    this.config = options.config ?? PLAIN;
    this.pipeline.expire(this.now);
    this.pipeline.configure(this.config);
  }

  /** Takes new services over and ends the flows that may not go on. */
  apply(services: readonly ServiceConfig[]): void {
    this.configure(services);
    while (this.pipeline.sweep());
  }

  /** Takes new services over, and leaves it to each flow's next packet to find that it is over. */
  configure(services: readonly ServiceConfig[]): void {
    this.config = snapshot(this.config.epoch + 1, services);
    this.pipeline.configure(this.config);
  }

  /** What `process` answers for a frame, which is in `frame` afterwards. */
  process(bytes: Uint8Array, network = NETWORK): number {
    this.frame.bytes.set(bytes);
    return this.pipeline.process(network, this.frame, bytes.length, this.now);
  }

  /** A copy of what comes out for a frame that goes in; undefined for nothing. */
  send(bytes: Uint8Array, network = NETWORK): Buffer | undefined {
    const length = this.process(bytes, network);
    return length === 0 ? undefined : Buffer.from(this.frame.bytes.subarray(0, length));
  }

  /** The same, for a frame that must give one. */
  pass(bytes: Uint8Array): Buffer {
    const out = this.send(bytes);
    if (out === undefined) throw new Error(`nothing came out; counters: ${JSON.stringify(this.nonZero())}`);
    return out;
  }

  /** What was emitted since the last call. */
  takeEmitted(): Buffer[] {
    return this.emitted.splice(0);
  }

  wait(ms: number): void {
    // In steps, as a worker would.
    for (const end = this.now + ms; this.now < end; ) {
      this.now = Math.min(end, this.now + 60_000);
      this.pipeline.expire(this.now);
    }
  }

  count(name: CounterName): number {
    return this.counters.get(name);
  }

  nonZero(): Partial<Record<CounterName, number>> {
    return Object.fromEntries(Object.entries(this.counters.toObject()).filter(([, value]) => value !== 0));
  }

  /** Packets received less packets that ended in one of the counters that a packet can end in: 0 unless one was lost. */
  unaccounted(): number {
    const ends = Object.keys(Counter).filter((name) => /^(forwardedPackets|handedOver|heldFragments|replied|refused|dropped)/.test(name)) as CounterName[];
    return ends.reduce((left, name) => left - this.count(name), this.count('receivedPackets'));
  }
}
