/**
 * Flows from their first packet to their end, under the snapshot in force: which endpoint and port a new one gets, whether
 * an old one may go on, and what either side is told when one ends. What a packet of a flow looks like afterwards is the
 * pipeline's matter. The life of a flow is in flow/README.md.
 */
import { DEFAULT_TIMEOUTS, type Snapshot } from '../config/snapshot.js';
import type { AddressBook } from '../flow/address-book.js';
import { Expiry, timeoutsByState } from '../flow/expiry.js';
import { PortPool } from '../flow/port-pool.js';
import {
  CLIENT,
  CLIENT_ACK,
  CLIENT_PORTS,
  DELTAS,
  ENDPOINT,
  ENDPOINT_ACK,
  ENDPOINT_PORTS,
  EPOCH,
  FLAG_FAILED,
  FLAG_V6,
  KEY_MASK,
  KIND,
  State,
  STATE_MASK,
  VIP,
} from '../flow/slot.js';
import { FlowSweep } from '../flow/sweep.js';
import type { FlowTable } from '../flow/table.js';
import { addressSum4, planDeltas } from '../rewrite/plan.js';
import { buildReset } from '../rewrite/reset.js';
import type { Shared } from '../sched/balancer.js';

import { makeFrame } from '../wire/frame.js';
import { Counter, type Counters } from './counters.js';
import type { Emit } from './worker.js';
import { type EndpointTarget, type NetworkTarget, type ServiceTarget, Targets } from './targets.js';

/** Why `begin` gave no flow. */
export const NO_ENDPOINT = 0;
export const NO_PORT = -1;
export const NO_ROOM = -2;

/** What `unanswered` answers besides an endpoint: the connection goes on as it is; it begins anew where the balancer says. */
export const STAYS = -2;
export const ANYWHERE = -1;
/** Deciseconds without an answer: just less than a client waits before it repeats a SYN (RFC 6298 section 2.1), as both are rounded. */
const SILENCE = 9;

/** Flows looked at by one call of `expire` or `sweep`: well under a millisecond. */
const STEPS = 4096;
/**
 * Ports looked at for one flow: all of four endpoints, some milliseconds. What is found to have none is remembered for a second,
 * so the next flow looks further.
 */
export const MOST_VISITED = 1 << 18;
/** For flows whose service is gone and which wait for the sweep. */
const TIMEOUTS = timeoutsByState(DEFAULT_TIMEOUTS);

export interface FlowsParts {
  readonly table: FlowTable;
  readonly book: AddressBook;
  readonly counters: Counters;
  readonly shared: Shared;
  readonly worker: { readonly index: number; readonly count: number };
  readonly emit: Emit;
}

export class Flows {
  readonly targets: Targets;
  readonly #table: FlowTable;
  readonly #words: Int32Array;
  readonly #book: AddressBook;
  readonly #counts: Float64Array;
  readonly #shared: Shared;
  readonly #ports: PortPool;
  readonly #expiry: Expiry;
  readonly #sweep: FlowSweep;
  readonly #emit: Emit;
  readonly #scratch = makeFrame(new Uint8Array(128));
  /** What `#portToward` found besides its answer: the first flow that would give its port away, and at which endpoint. */
  #yielding = 0;
  #yieldingAt = 0;
  /** The port toward the endpoint that `#elsewhere` answered. */
  #portElsewhere = 0;

  constructor(parts: FlowsParts) {
    this.#table = parts.table;
    this.#words = parts.table.words;
    this.#book = parts.book;
    this.#counts = parts.counters.values;
    this.#shared = parts.shared;
    this.#emit = parts.emit;
    this.targets = new Targets(parts.book, parts.shared);
    this.#ports = new PortPool(parts.table, { worker: parts.worker.index, workers: parts.worker.count });
    this.#expiry = new Expiry(parts.table, { of: (slot) => this.#timeoutsOf(slot) });
    this.#sweep = new FlowSweep(parts.table);
  }

  /** `now` in deciseconds, here and below. */
  configure(snapshot: Snapshot, now: number): void {
    if (this.targets.configure(snapshot, now)) this.#sweep.start();
  }

  /**
   * A flow for a packet from the client side: its slot, or NO_…. `kind` is the key with family; addresses are of its family;
   * `clientHash` is what schedulers hash of the client (ip_vs_sh, ip_vs_mh: all its words by exclusive or). `where` is what `unanswered` said, or ANYWHERE.
   */
  begin(kind: number, state: number, target: NetworkTarget, service: ServiceTarget, client: number, vip: number, ports: number, clientHash: number, now: number, where: number): number {
    const v6 = (kind & FLAG_V6) !== 0;
    // Of an IPv6 client the handle may be another's later: what outlives the flow knows it by its hash.
    const key = v6 ? this.#book.key(client) : this.#table.hash.of(client, 0, 0, 0);
    let chosen = where >= 0 ? where : service.balancer.choose(clientHash, key, ports >>> 16, now, v6);
    if (chosen < 0 || (v6 && service.endpoints[chosen]!.handle === 0)) return NO_ENDPOINT;
    const name = v6 ? key : client;
    this.#yielding = 0;
    this.#ports.visited = 0;
    let port = this.#portToward(kind, service, chosen, ports, name, now);
    if (port === 0) {
      chosen = this.#elsewhere(kind, service, chosen, ports, name, now);
      if (chosen < 0) return NO_PORT;
      port = this.#portElsewhere;
    }

    const { config, handle } = service.endpoints[chosen]!;
    const address = v6 ? handle : config.address;
    const endpointPorts = ((ports & 0xffff) << 16) | port;
    const epoch = this.targets.epoch;
    let slot = this.#table.insert(kind, state, client, vip, ports, address, endpointPorts, epoch, now);
    if (slot === 0) {
      const victim = this.#expiry.victim();
      if (victim === 0) return NO_ROOM;
      this.#evict(victim, now);
      slot = this.#table.insert(kind, state, client, vip, ports, address, endpointPorts, epoch, now);
    }
    if (v6) {
      this.#book.retain(client);
      this.#book.retain(vip);
      this.#book.retain(address);
    }
    this.#plan(slot, target);
    this.#expiry.track(slot);
    this.#shared.stats.opened(service.balancer.row(chosen), true);
    this.#counts[Counter.flowsOpened]! += 1;
    return slot;
  }

  /** The port toward an endpoint for a new flow: one that is free, or that of a flow that is over. 0 for none. */
  #portToward(kind: number, service: ServiceTarget, index: number, ports: number, client: number, now: number): number {
    const endpoint = service.endpoints[index]!;
    const v6 = (kind & FLAG_V6) !== 0;
    const address = v6 ? endpoint.handle : endpoint.config.address;
    const endpointPort = ports & 0xffff;
    const cursor = v6 ? endpoint.cursor6 : endpoint.cursor;
    const port = this.#ports.take(kind, address, endpointPort, client, ports >>> 16, cursor, now);
    if (port !== 0) return port;
    const victim = this.#ports.victim(kind, address, endpointPort, cursor, now);
    if (victim !== 0 && (this.#words[(victim << 4) + KIND]! & STATE_MASK) === State.closed) return this.#takePortOf(victim, now);
    if (this.#yielding === 0) {
      this.#yielding = victim;
      this.#yieldingAt = index;
    }
    return 0;
  }

  /**
   * Where a flow goes when there is no port toward the endpoint that was chosen: to the next in the list that takes flows and has
   * one, an ejected one only when no other has; else to one where a flow gives its port away. -1 for none. The search is bounded:
   * with every port of many endpoints taken, a packet must not keep those after it waiting.
   */
  #elsewhere(kind: number, service: ServiceTarget, chosen: number, ports: number, client: number, now: number): number {
    const { balancer, endpoints } = service;
    const v6 = (kind & FLAG_V6) !== 0;
    for (let ejected = 0; ejected <= 1; ejected++) {
      for (let step = 1; step < endpoints.length; step++) {
        const index = (chosen + step) % endpoints.length;
        if (balancer.isEjected(index, now) !== (ejected === 1) || !balancer.admits(index, now, false)) continue;
        if (v6 && endpoints[index]!.handle === 0) continue;
        if (this.#ports.visited > MOST_VISITED) break;
        this.#portElsewhere = this.#portToward(kind, service, index, ports, client, now);
        if (this.#portElsewhere !== 0) return index;
      }
    }
    if (this.#yielding === 0) return -1;
    this.#portElsewhere = this.#takePortOf(this.#yielding, now);
    return this.#yieldingAt;
  }

  #takePortOf(slot: number, now: number): number {
    const port = this.#words[(slot << 4) + ENDPOINT_PORTS]! & 0xffff;
    this.#evict(slot, now);
    return port;
  }

  #evict(slot: number, now: number): void {
    this.#counts[Counter.flowsEvicted]! += 1;
    this.endBoth(slot, now);
  }

  /** Whether a flow may go on under the snapshot in force; it then remembers the epoch and is not asked again. */
  isCurrent(slot: number, target: NetworkTarget): boolean {
    const word = slot << 4;
    return this.#words[word + EPOCH] === this.targets.epoch || this.#revalidate(slot, target);
  }

  #revalidate(slot: number, target: NetworkTarget): boolean {
    const service = this.#serviceOf(slot, target);
    if (service === undefined || this.#endpointOf(slot, service) === undefined) return false;
    this.#words[(slot << 4) + EPOCH] = this.targets.epoch;
    this.#plan(slot, target);
    return true;
  }

  /** A TCP flow goes to another state. */
  enter(slot: number, target: NetworkTarget, before: number, after: number, now: number): void {
    const at = (slot << 4) + KIND;
    this.#words[at] = (this.#words[at]! & ~STATE_MASK) | after;
    this.#expiry.changed(slot, before, after);
    const service = this.#serviceOf(slot, target);
    const endpoint = service && this.#endpointOf(slot, service);
    if (endpoint === undefined) return;
    const { balancer } = service!;
    if (isActive(before) !== isActive(after)) this.#shared.stats.moved(balancer.row(endpoint.index), isActive(after));
    if (before !== State.synSent) return;
    if (after === State.synReceived) {
      this.#words[at] &= ~FLAG_FAILED;
      service!.tookConnection((this.#words[at] & FLAG_V6) !== 0, this.#words[(slot << 4) + CLIENT_PORTS]! & 0xffff, now);
      balancer.succeeded(endpoint.index, now);
    }
    if (after === State.closed) this.#failed(slot, service!, endpoint, now);
  }

  /** The client repeats a SYN of `sentAt` that nobody answered. Answers where the connection should begin anew: an index of the service's endpoints, ANYWHERE, STAYS. */
  unanswered(slot: number, target: NetworkTarget, sentAt: number, now: number): number {
    const service = this.#serviceOf(slot, target);
    const endpoint = service && this.#endpointOf(slot, service);
    if (endpoint === undefined) return STAYS;
    const { balancer, endpoints } = service!;
    if (!balancer.answeredSince(endpoint.index, sentAt)) this.#failed(slot, service!, endpoint, now);
    if (balancer.isEjected(endpoint.index, now)) return ANYWHERE;
    const other = now - sentAt < SILENCE ? -1 : balancer.instead(endpoint.index, sentAt, now);
    const v6 = (this.#words[(slot << 4) + KIND]! & FLAG_V6) !== 0;
    return other < 0 || (v6 && endpoints[other]!.handle === 0) ? STAYS : other;
  }

  /** Whether a flow was over before the endpoint had taken its connection: the client may repeat its SYN with the number that it had. */
  neverOpened(slot: number): boolean {
    return (this.#words[(slot << 4) + KIND]! & (STATE_MASK | FLAG_FAILED)) === (State.closed | FLAG_FAILED);
  }

  /** One flow counts as one failure, however often its SYN was sent. */
  #failed(slot: number, service: ServiceTarget, endpoint: EndpointTarget, now: number): void {
    const at = (slot << 4) + KIND;
    if ((this.#words[at]! & FLAG_FAILED) !== 0) return;
    this.#words[at]! |= FLAG_FAILED;
    this.#counts[Counter.connectFailures]! += 1;
    const v6 = (this.#words[at]! & FLAG_V6) !== 0;
    if (!service.isServed(v6, this.#words[(slot << 4) + CLIENT_PORTS]! & 0xffff, now)) return;
    if (service.balancer.failed(endpoint.index, now)) this.#counts[Counter.endpointsEjected]! += 1;
  }

  /** Ends a flow without a word to anybody. */
  end(slot: number, now: number): void {
    const words = this.#words;
    const word = slot << 4;
    const kind = words[word + KIND]!;
    const state = kind & STATE_MASK;
    if (isTcp(state)) {
      const client = words[word + CLIENT]!;
      this.#ports.release(kind & KEY_MASK, words[word + ENDPOINT]!, words[word + ENDPOINT_PORTS]!, (kind & FLAG_V6) !== 0 ? this.#book.key(client) : client, now);
    }
    const target = this.targets.networks[kind >>> 16];
    const service = target && this.#serviceOf(slot, target);
    const endpoint = service && this.#endpointOf(slot, service);
    if (endpoint !== undefined) this.#shared.stats.closed(service!.balancer.row(endpoint.index), isActive(state));
    this.#expiry.forget(slot);
    this.#table.remove(slot);
    if ((kind & FLAG_V6) === 0) return;
    this.#book.release(words[word + CLIENT]!);
    this.#book.release(words[word + VIP]!);
    this.#book.release(words[word + ENDPOINT]!);
  }

  /**
   * Ends a flow and tells both sides of a connection by RST. One that only begins is dropped: the client repeats its SYN, and
   * that begins anew. Answers whether RSTs were sent.
   */
  endBoth(slot: number, now: number): boolean {
    const state = this.#words[(slot << 4) + KIND]! & STATE_MASK;
    const isOpen = isTcp(state) && state !== State.synSent && state !== State.closed;
    if (isOpen) this.#resetBoth(slot);
    this.end(slot, now);
    return isOpen;
  }

  #resetBoth(slot: number): void {
    const words = this.#words;
    const word = slot << 4;
    const kind = words[word + KIND]!;
    const network = kind >>> 16;
    const target = this.targets.networks[network];
    if (target === undefined) return;
    const v6 = (kind & FLAG_V6) !== 0;
    const family = v6 ? 6 : 4;
    const balancer = target.balancerOf(v6);
    const clientNext = words[word + CLIENT_ACK]!;
    const endpointNext = words[word + ENDPOINT_ACK]!;
    const toClient = swap(words[word + CLIENT_PORTS]!);
    const toEndpoint = swap(words[word + ENDPOINT_PORTS]!);
    const frame = this.#scratch;
    let length = buildReset(frame, this.#book, family, words[word + VIP]!, words[word + CLIENT]!, toClient, clientNext, endpointNext, true);
    this.#emit(network, frame, length);
    length = buildReset(frame, this.#book, family, balancer, words[word + ENDPOINT]!, toEndpoint, endpointNext, clientNext, true);
    this.#emit(network, frame, length);
    this.#counts[Counter.emittedResets]! += 2;
  }

  /** Ends flows that fell due, a bounded number per call. */
  expire(now: number): void {
    this.#table.setNow(now);
    for (let step = 0; step < STEPS; step++) {
      const slot = this.#expiry.due(now);
      if (slot === 0) return;
      if (slot < 0) continue;
      this.#counts[Counter.flowsExpired]! += 1;
      const state = this.#words[(slot << 4) + KIND]! & STATE_MASK;
      // An established connection that nobody used for two hours may still be wanted: both learn that it is gone (RFC 5382 5).
      if (state === State.established || state === State.halfClosedByClient || state === State.halfClosedByEndpoint) this.#resetBoth(slot);
      this.end(slot, now);
    }
  }

  /** Brings flows in line with a new snapshot: those whose endpoint or VIP is gone end. A bounded number per call; true while there are more. */
  sweep(now: number): boolean {
    for (let step = 0; step < STEPS; step++) {
      const slot = this.#sweep.next();
      if (slot === 0) return false;
      if (slot < 0) continue;
      const target = this.targets.networks[this.#words[(slot << 4) + KIND]! >>> 16];
      if (target !== undefined && this.isCurrent(slot, target)) {
        // Its service's time-outs may be shorter than when it was armed.
        this.#expiry.track(slot);
        continue;
      }
      this.#counts[Counter.flowsEnded]! += 1;
      this.endBoth(slot, now);
    }
    return true;
  }

  #plan(slot: number, target: NetworkTarget): void {
    const words = this.#words;
    const word = slot << 4;
    const v6 = (words[word + KIND]! & FLAG_V6) !== 0;
    const client = this.#sum(v6, words[word + CLIENT]!);
    const vip = this.#sum(v6, words[word + VIP]!);
    const endpoint = this.#sum(v6, words[word + ENDPOINT]!);
    const balancer = this.#sum(v6, target.balancerOf(v6));
    words[word + DELTAS] = planDeltas(client, vip, words[word + CLIENT_PORTS]!, balancer, endpoint, words[word + ENDPOINT_PORTS]!);
  }

  #sum(v6: boolean, address: number): number {
    return v6 ? this.#book.sum(address) : addressSum4(address);
  }

  #serviceOf(slot: number, target: NetworkTarget): ServiceTarget | undefined {
    const word = slot << 4;
    return target.service((this.#words[word + KIND]! & FLAG_V6) !== 0, this.#words[word + VIP]!);
  }

  #endpointOf(slot: number, service: ServiceTarget): EndpointTarget | undefined {
    const word = slot << 4;
    return service.endpoint((this.#words[word + KIND]! & FLAG_V6) !== 0, this.#words[word + ENDPOINT]!, this.#words[word + EPOCH]!);
  }

  #timeoutsOf(slot: number): Int32Array {
    const target = this.targets.networks[this.#words[(slot << 4) + KIND]! >>> 16];
    return (target && this.#serviceOf(slot, target)?.timeouts) ?? TIMEOUTS;
  }
}

const isTcp = (state: number): boolean => state < State.udp;

/** Whether IPVS would count a flow in this state as an active connection (tcp_state_active_table, ip_vs_proto_tcp.c). */
const isActive = (state: number): boolean => state <= State.established || state >= State.udp;

const swap = (ports: number): number => (ports << 16) | (ports >>> 16);
