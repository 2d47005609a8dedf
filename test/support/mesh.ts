/**
 * One network with a service `vote` (two endpoints), a service without endpoints, and a pipeline that serves it.
 */
import type { EndpointConfig, ServiceConfig, Snapshot, Timeouts } from '../../proxy/config/snapshot.js';
import { Counters, Counter, type CounterName } from '../../proxy/dataplane/counters.js';
import { Pipeline } from '../../proxy/dataplane/pipeline.js';
import { AddressBook } from '../../proxy/flow/address-book.js';
import { FlowReader } from '../../proxy/flow/reader.js';
import { FlowTable } from '../../proxy/flow/table.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { makeFrame } from '../../proxy/wire/frame.js';

export const NETWORK = 3;
export const CLIENT = '10.0.1.9';
export const BALANCER = '10.0.1.250';
export const VIP = '10.0.1.2';
export const EMPTY_VIP = '10.0.1.3';
export const ENDPOINTS = ['10.0.1.5', '10.0.1.6'] as const;

export function endpoint(address: string, weight = 1): EndpointConfig {
  return { id: address, address: parseIpv4(address), weight };
}

export function service(vip: string, endpoints: readonly EndpointConfig[], name = 'vote'): ServiceConfig {
  return { id: `id-${name}`, name, vip: parseIpv4(vip), scheduler: 'rr', endpoints };
}

export function snapshot(epoch: number, services: readonly ServiceConfig[]): Snapshot {
  return { epoch, networks: [{ index: NETWORK, id: 'id1', name: 'overlay1', balancer: parseIpv4(BALANCER), services }] };
}

export const PLAIN = snapshot(1, [service(VIP, ENDPOINTS.map((address) => endpoint(address))), service(EMPTY_VIP, [], 'empty')]);

export class Mesh {
  readonly table: FlowTable;
  readonly reader: FlowReader;
  readonly counters = new Counters(Counters.allocate());
  readonly pipeline: Pipeline;
  readonly frame = makeFrame();
  now = 1_000_000;
  config: Snapshot;

  constructor(options: { maxFlows?: number; timeouts?: Timeouts; config?: Snapshot } = {}) {
    const buffer = FlowTable.allocate(options.maxFlows ?? 1024);
    this.table = new FlowTable(buffer, { hashKey: [0x12345678, -7] });
    this.reader = new FlowReader(buffer, AddressBook.allocate(1));
    this.pipeline = new Pipeline({ table: this.table, counters: this.counters, ...(options.timeouts && { timeouts: options.timeouts }) });
    this.config = options.config ?? PLAIN;
    this.pipeline.configure(this.config);
    this.pipeline.expire(this.now);
  }

  apply(services: readonly ServiceConfig[]): void {
    this.config = snapshot(this.config.epoch + 1, services);
    this.pipeline.configure(this.config);
  }

  /** A copy of what comes out for a frame that goes in; undefined for nothing. */
  send(bytes: Uint8Array, network = NETWORK): Buffer | undefined {
    this.frame.bytes.set(bytes);
    const length = this.pipeline.process(network, this.frame, bytes.length, this.now);
    return length === 0 ? undefined : Buffer.from(this.frame.bytes.subarray(0, length));
  }

  /** The same, for a frame that must give one. */
  pass(bytes: Uint8Array): Buffer {
    const out = this.send(bytes);
    if (out === undefined) throw new Error(`nothing came out; counters: ${JSON.stringify(this.nonZero())}`);
    return out;
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
