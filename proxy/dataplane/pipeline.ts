/**
 * The packet path as a pure function of packet, state and time: the same in the worker, a simulator, the fuzzer and a
 * benchmark. It reads and writes no descriptor, knows no clock and logs nothing.
 *
 * A frame is parsed (wire/), its flow found or begun (flow/, sched/), and the frame changed in place (rewrite/). Two kinds of
 * destination are routed here: VIPs, whose packets come from the client side, and the balancer address, whose packets
 * come from the endpoint side. Every packet ends in exactly one counter besides those of what was received.
 * What each kind of packet gets is in README.md.
 */
import { DEFAULT_TIMEOUTS, type Snapshot, type Timeouts } from '../config/snapshot.js';
import { Expiry, timeoutsByState } from '../flow/expiry.js';
import { PortPool } from '../flow/port-pool.js';
import {
  BYTES_IN,
  BYTES_OUT,
  CLIENT,
  CLIENT_PORTS,
  DELTAS,
  ENDPOINT,
  ENDPOINT_PORTS,
  EPOCH,
  KEY_MASK,
  KIND,
  LAST_SEEN,
  State,
  STATE_MASK,
  VIP,
} from '../flow/slot.js';
import type { FlowTable } from '../flow/table.js';
import { isOver, nextTcpState } from '../flow/tcp-state.js';
import type { AddressWords } from '../rewrite/addresses.js';
import { applyTuple } from '../rewrite/apply.js';
import { parseQuoted, Quoted, translateError } from '../rewrite/icmp-error.js';
import { addressSum4, planDeltas } from '../rewrite/plan.js';
import { replyEcho, replyPortUnreachable, replyReset } from '../rewrite/reply.js';
import { checksumsRight } from '../rewrite/verify.js';
import { OPEN_GATE } from '../sched/scheduler.js';
import { IP, type Frame } from '../wire/frame.js';
import { ECHO_REQUEST, quotesPacket } from '../wire/icmp.js';
import { canAnswer, ICMP, TCP } from '../wire/ipv4.js';
import { parse, Parsed, Reason } from '../wire/parsed.js';
import { ACK, RST, SYN } from '../wire/tcp.js';
import { Counter, type Counters } from './counters.js';
import { type NetworkTarget, targetsOf } from './targets.js';

export interface PipelineOptions {
  /** The pipeline is its only writer. */
  readonly table: FlowTable;
  readonly counters: Counters;
  readonly timeouts?: Timeouts;
}

/** IPv4 addresses are in no book. */
const NO_BOOK: AddressWords = { word: () => 0 };
/** Flows looked at by one call of `expire`: well under a millisecond. */
const EXPIRE_STEPS = 4096;
/** ICMP errors sent in 100 ms. */
const ICMP_ERRORS = 100;
/** Counter of the first parse Reason after ok. */
const FIRST_REASON = Counter.droppedTruncated - Reason.truncated;

export class Pipeline {
  readonly #table: FlowTable;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #counts: Float64Array;
  readonly #ports: PortPool;
  readonly #expiry: Expiry;
  readonly #packet = new Parsed();
  readonly #quoted = new Quoted();
  #networks: (NetworkTarget | undefined)[] = [];
  #epoch = 0;
  #icmpErrorsAt = 0;
  #icmpErrors = 0;

  constructor(options: PipelineOptions) {
    this.#table = options.table;
    this.#words = options.table.words;
    this.#doubles = options.table.doubles;
    this.#counts = options.counters.values;
    this.#ports = new PortPool(options.table);
    const timeouts = timeoutsByState(options.timeouts ?? DEFAULT_TIMEOUTS);
    this.#expiry = new Expiry(options.table, { of: () => timeouts });
  }

  /** Decides every packet from now on by `snapshot`. Called between two packets. */
  configure(snapshot: Snapshot): void {
    this.#networks = targetsOf(snapshot, this.#networks);
    this.#epoch = snapshot.epoch;
  }

  /**
   * Takes a packet that was read from the TUN of network `network`. `length` counts the virtio-net header and the IP
   * packet. Changes the frame in place and answers how many bytes of it to write back to the same TUN, 0 for none.
   * Never throws, never allocates. `nowMs`: milliseconds of a clock that does not go back; best a whole number below 2^31.
   */
  process(network: number, frame: Frame, length: number, nowMs: number): number {
    const counts = this.#counts;
    const packet = this.#packet;
    const now = (nowMs / 100) | 0;
    counts[Counter.receivedPackets]! += 1;
    counts[Counter.receivedBytes]! += length > IP ? length - IP : 0;

    const reason = parse(frame, length, packet);
    if (reason !== Reason.ok) return this.#drop(FIRST_REASON + reason);
    const target = this.#networks[network];
    if (target === undefined) return this.#drop(Counter.droppedUnknownNetwork);
    if (packet.protocol === ICMP) return this.#icmp(network, target, frame, now);
    const kind = (network << 16) | (packet.protocol << 8);
    if (packet.destination === target.balancer) return this.#fromEndpoint(kind, target, frame, now);
    return this.#fromClient(kind, target, frame, now);
  }

  /** Ends flows that fell due; bounded work per call. Call it about every 100 ms; needed while flows exist. */
  expire(nowMs: number): void {
    const now = (nowMs / 100) | 0;
    this.#table.setNow(now);
    for (let step = 0; step < EXPIRE_STEPS; step++) {
      const slot = this.#expiry.due(now);
      if (slot === 0) return;
      if (slot > 0) {
        this.#counts[Counter.flowsExpired]! += 1;
        this.#end(slot, now);
      }
    }
  }

  #fromClient(kind: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const words = this.#words;
    const slot = this.#table.findByClient(kind, packet.source, packet.destination, (packet.sourcePort << 16) | packet.destinationPort);
    if (slot === 0) return this.#begin(kind, target, frame, now);

    const word = slot << 4;
    const isTcp = packet.protocol === TCP;
    const isSyn = isTcp && (packet.flags & (SYN | ACK)) === SYN;
    if (words[word + EPOCH] !== this.#epoch && !this.#revalidate(slot, target)) {
      this.#counts[Counter.flowsEnded]! += 1;
      this.#end(slot, now);
      // A connection cannot move; a datagram or the begin of a connection can, and does so at once.
      if (isTcp && !isSyn) return this.#reset(frame, Counter.refusedEndpointGone);
      return this.#begin(kind, target, frame, now);
    }
    if (isTcp) {
      const state = words[word + KIND]! & STATE_MASK;
      if (isSyn && isOver(state)) {
        this.#end(slot, now);
        return this.#begin(kind, target, frame, now);
      }
      words[word + LAST_SEEN] = now;
      const next = nextTcpState(state, true, packet.flags, packet.payloadLength);
      if (next !== state) this.#enter(slot, state, next);
    } else {
      words[word + LAST_SEEN] = now;
    }
    return this.#toEndpoint(slot, target, frame);
  }

  #fromEndpoint(kind: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const words = this.#words;
    const isTcp = packet.protocol === TCP;
    const slot = this.#table.findByEndpoint(kind, packet.source, (packet.sourcePort << 16) | packet.destinationPort);
    if (slot === 0) {
      if (isTcp) return this.#reset(frame, Counter.refusedNoFlow);
      return this.#unreachable(frame, Counter.refusedNoFlow, now);
    }

    const word = slot << 4;
    if (words[word + EPOCH] !== this.#epoch && !this.#revalidate(slot, target)) {
      this.#counts[Counter.flowsEnded]! += 1;
      this.#end(slot, now);
      return isTcp ? this.#reset(frame, Counter.refusedEndpointGone) : this.#drop(Counter.droppedEndpointGone);
    }
    words[word + LAST_SEEN] = now;
    if (isTcp) {
      const state = words[word + KIND]! & STATE_MASK;
      const next = nextTcpState(state, false, packet.flags, packet.payloadLength);
      if (next !== state) this.#enter(slot, state, next);
    }

    this.#doubles[(slot << 3) + BYTES_OUT]! += packet.totalLength;
    const ports = words[word + CLIENT_PORTS]!;
    const deltas = ~words[word + DELTAS]!;
    applyTuple(frame, packet, NO_BOOK, words[word + VIP]!, words[word + CLIENT]!, (ports << 16) | (ports >>> 16), deltas >>> 16, deltas & 0xffff);
    return this.#forwarded(packet.totalLength);
  }

  #toEndpoint(slot: number, target: NetworkTarget, frame: Frame): number {
    const packet = this.#packet;
    const words = this.#words;
    const word = slot << 4;
    this.#doubles[(slot << 3) + BYTES_IN]! += packet.totalLength;
    const ports = words[word + ENDPOINT_PORTS]!;
    const deltas = words[word + DELTAS]!;
    applyTuple(frame, packet, NO_BOOK, target.balancer, words[word + ENDPOINT]!, (ports << 16) | (ports >>> 16), deltas >>> 16, deltas & 0xffff);
    return this.#forwarded(packet.totalLength);
  }

  /** A packet from the client side that belongs to no flow: the first of one, or refused, or dropped. */
  #begin(kind: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const service = target.services.get(packet.destination);
    if (service === undefined) return this.#drop(Counter.droppedUnknownDestination);
    if (!this.#mayAnswer(target)) return this.#drop(Counter.droppedMartianSource);
    const isTcp = packet.protocol === TCP;
    if (isTcp && (packet.flags & (SYN | ACK)) !== SYN) return this.#reset(frame, Counter.refusedNoFlow);

    const chosen = service.scheduler.pick(packet.source, packet.sourcePort, OPEN_GATE);
    if (chosen < 0) {
      return isTcp ? this.#reset(frame, Counter.refusedNoEndpoint) : this.#unreachable(frame, Counter.refusedNoEndpoint, now);
    }
    const endpoint = service.endpoints[chosen]!.address;
    const endpointPort = packet.destinationPort;
    const cursor = service.cursors.get(endpoint)!;
    const port = this.#ports.take(kind, endpoint, endpointPort, packet.source, packet.sourcePort, cursor, now);
    if (port === 0) return this.#drop(Counter.droppedPortExhausted);

    const state = isTcp ? State.synSent : State.udp;
    const clientPorts = (packet.sourcePort << 16) | packet.destinationPort;
    const endpointPorts = (endpointPort << 16) | port;
    let slot = this.#table.insert(kind, state, packet.source, packet.destination, clientPorts, endpoint, endpointPorts, this.#epoch, now);
    if (slot === 0) {
      const victim = this.#expiry.victim();
      if (victim === 0) return this.#drop(Counter.droppedTableFull);
      this.#counts[Counter.flowsEvicted]! += 1;
      this.#end(victim, now);
      slot = this.#table.insert(kind, state, packet.source, packet.destination, clientPorts, endpoint, endpointPorts, this.#epoch, now);
    }
    this.#words[(slot << 4) + DELTAS] = planDeltas(
      addressSum4(packet.source),
      addressSum4(packet.destination),
      clientPorts,
      addressSum4(target.balancer),
      addressSum4(endpoint),
      endpointPorts,
    );
    this.#expiry.track(slot);
    this.#counts[Counter.flowsOpened]! += 1;
    return this.#toEndpoint(slot, target, frame);
  }

  /** Whether a flow may go on under the current snapshot; it then remembers the epoch and is not asked again. */
  #revalidate(slot: number, target: NetworkTarget): boolean {
    const words = this.#words;
    const word = slot << 4;
    const vip = words[word + VIP]!;
    const endpoint = words[word + ENDPOINT]!;
    const service = target.services.get(vip);
    if (service === undefined || !service.has(endpoint)) return false;
    words[word + EPOCH] = this.#epoch;
    words[word + DELTAS] = planDeltas(
      addressSum4(words[word + CLIENT]!),
      addressSum4(vip),
      words[word + CLIENT_PORTS]!,
      addressSum4(target.balancer),
      addressSum4(endpoint),
      words[word + ENDPOINT_PORTS]!,
    );
    return true;
  }

  #enter(slot: number, before: number, after: number): void {
    const at = (slot << 4) + KIND;
    this.#words[at] = (this.#words[at]! & ~STATE_MASK) | after;
    this.#expiry.changed(slot, before, after);
  }

  #end(slot: number, now: number): void {
    const words = this.#words;
    const word = slot << 4;
    const kind = words[word + KIND]!;
    if ((kind & STATE_MASK) !== State.udp) {
      this.#ports.release(kind & KEY_MASK, words[word + ENDPOINT]!, words[word + ENDPOINT_PORTS]!, words[word + CLIENT]!, now);
    }
    this.#expiry.forget(slot);
    this.#table.remove(slot);
  }

  #icmp(network: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    if (!target.owns(packet.destination)) return this.#drop(Counter.droppedUnknownDestination);
    if (!this.#mayAnswer(target)) return this.#drop(Counter.droppedMartianSource);
    if (packet.icmpType === ECHO_REQUEST) {
      this.#counts[Counter.repliedEcho]! += 1;
      return replyEcho(frame, packet);
    }
    if (!quotesPacket(packet.icmpType)) return this.#drop(Counter.droppedIcmpUnsupported);
    if (!checksumsRight(frame, packet)) return this.#drop(Counter.droppedBadChecksum);
    if (!parseQuoted(frame, packet, this.#quoted)) return this.#drop(Counter.droppedIcmpUnmatched);
    return this.#icmpError(network, target, frame, now);
  }

  /** An error goes to whoever sent the packet that it quotes. It neither ends the flow nor keeps it alive. */
  #icmpError(network: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const quoted = this.#quoted;
    const words = this.#words;
    const kind = (network << 16) | (quoted.protocol << 8);
    // The quoted packet went the other way, from the address that the error is sent to.
    const ports = (quoted.destinationPort << 16) | quoted.sourcePort;
    if (quoted.source !== packet.destination) return this.#drop(Counter.droppedIcmpUnmatched);
    const fromEndpointSide = packet.destination === target.balancer;
    const slot = fromEndpointSide
      ? this.#table.findByEndpoint(kind, quoted.destination, ports)
      : this.#table.findByClient(kind, quoted.destination, quoted.source, ports);
    if (slot === 0) return this.#drop(Counter.droppedIcmpUnmatched);
    const word = slot << 4;
    if (words[word + EPOCH] !== this.#epoch && !this.#revalidate(slot, target)) {
      this.#counts[Counter.flowsEnded]! += 1;
      this.#end(slot, now);
      return this.#drop(Counter.droppedEndpointGone);
    }
    const client = words[word + CLIENT]!;
    const vip = words[word + VIP]!;
    const endpoint = words[word + ENDPOINT]!;
    if (fromEndpointSide) {
      // A router on the way shows as itself, as it would in a traceroute; the endpoint shows as the VIP.
      const reporter = packet.source === endpoint ? vip : packet.source;
      translateError(frame, packet, quoted, NO_BOOK, reporter, client, client, vip, words[word + CLIENT_PORTS]!);
    } else {
      translateError(frame, packet, quoted, NO_BOOK, target.balancer, endpoint, endpoint, target.balancer, words[word + ENDPOINT_PORTS]!);
    }
    return this.#forwarded(packet.totalLength);
  }

  #mayAnswer(target: NetworkTarget): boolean {
    const source = this.#packet.source;
    return canAnswer(source) && !target.owns(source);
  }

  /** RST to the sender, counted as `cause`; or why it gets none. */
  #reset(frame: Frame, cause: number): number {
    const packet = this.#packet;
    if ((packet.flags & RST) !== 0) return this.#drop(Counter.droppedStrayReset);
    if (!canAnswer(packet.source)) return this.#drop(Counter.droppedMartianSource);
    if (!checksumsRight(frame, packet)) return this.#drop(Counter.droppedBadChecksum);
    this.#counts[cause]! += 1;
    return replyReset(frame, packet);
  }

  /** ICMP port unreachable to the sender, counted as `cause`; or why it gets none. */
  #unreachable(frame: Frame, cause: number, now: number): number {
    const packet = this.#packet;
    if (!canAnswer(packet.source)) return this.#drop(Counter.droppedMartianSource);
    if (!checksumsRight(frame, packet)) return this.#drop(Counter.droppedBadChecksum);
    if (now !== this.#icmpErrorsAt) {
      this.#icmpErrorsAt = now;
      this.#icmpErrors = 0;
    }
    if (this.#icmpErrors === ICMP_ERRORS) return this.#drop(Counter.droppedIcmpLimited);
    this.#icmpErrors += 1;
    this.#counts[cause]! += 1;
    return replyPortUnreachable(frame, packet);
  }

  #forwarded(bytes: number): number {
    const counts = this.#counts;
    counts[Counter.forwardedPackets]! += 1;
    counts[Counter.forwardedBytes]! += bytes;
    return IP + bytes;
  }

  #drop(cause: number): 0 {
    this.#counts[cause]! += 1;
    return 0;
  }
}
