/**
 * The packet path as a pure function of packet, state and time: the same in the worker, a simulator, the fuzzer and a
 * benchmark. It reads and writes no descriptor, knows no clock and logs nothing.
 *
 * A frame is parsed (wire/), reassembled if it is a fragment (reassembly.ts), its flow found or begun (flows.ts), and the frame
 * changed in place (rewrite/). Two kinds of destination are routed here: VIPs, whose packets come from the client side, and
 * the balancer address, whose packets come from the endpoint side. Every packet ends in exactly one counter besides those
 * of what was received. What each kind of packet gets is in proxy/README.md.
 */
import type { Snapshot } from '../config/snapshot.js';
import type { AddressBook } from '../flow/address-book.js';
import { findAddresses, internAddress } from '../flow/handles.js';
import { ownerOf } from '../flow/owner.js';
import {
  BYTES_IN,
  BYTES_OUT,
  CLIENT,
  CLIENT_ACK,
  CLIENT_PORTS,
  DELTAS,
  ENDPOINT,
  ENDPOINT_ACK,
  ENDPOINT_PORTS,
  FLAG_V6,
  KIND,
  LAST_SEEN,
  State,
  STATE_MASK,
  VIP,
} from '../flow/slot.js';
import type { FlowTable } from '../flow/table.js';
import { isOver, nextTcpState } from '../flow/tcp-state.js';
import { applyTuple } from '../rewrite/apply.js';
import { clampMss } from '../rewrite/mss.js';
import { isError, parseQuoted, Quoted, translateError } from '../rewrite/icmp-error.js';
import { checksumsRight } from '../rewrite/verify.js';
import type { Shared } from '../sched/balancer.js';
import { IP, type Frame } from '../wire/frame.js';
import * as icmp from '../wire/icmp.js';
import * as icmpv6 from '../wire/icmpv6.js';
import { ICMP, TCP, UDP } from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import { parse, Parsed, Reason } from '../wire/parsed.js';
import * as tcp from '../wire/tcp.js';
import { ACK, SYN } from '../wire/tcp.js';
import { GSO_SIZE } from '../wire/virtio.js';
import { Answers } from './answers.js';
import { Counter, type Counters } from './counters.js';
import { Cutter } from './cutter.js';
import type { EndedFlow } from './handle.js';
import { ANYWHERE, Flows, NO_ENDPOINT, NO_PORT, STAYS } from './flows.js';
import { Reassembly } from './reassembly.js';
import { Strays } from './strays.js';
import type { NetworkTarget } from './targets.js';
import type { Emit } from './worker.js';

export interface PipelineOptions {
  /** The pipeline is the only writer of these three. */
  readonly table: FlowTable;
  readonly book: AddressBook;
  readonly counters: Counters;
  readonly shared: Shared;
  /** Which of how many workers this is. */
  readonly worker: { readonly index: number; readonly count: number };
  readonly emit: Emit;
  /** Where the identifications of datagrams begin that are cut here; best random. int32. */
  readonly identification?: number;
}

/** Which worker reassembles fragments: those without ports cannot be told whose they are. */
const REASSEMBLER = 0;
/** Counter of the first parse Reason after ok. */
const FIRST_REASON = Counter.droppedTruncated - Reason.truncated;

export class Pipeline {
  readonly #table: FlowTable;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #book: AddressBook;
  readonly #counts: Float64Array;
  readonly #flows: Flows;
  readonly #answers: Answers;
  readonly #reassembly: Reassembly;
  readonly #strays: Strays;
  readonly #cutter: Cutter;
  readonly #worker: number;
  readonly #workers: number;
  readonly #packet = new Parsed();
  readonly #quoted = new Quoted();
  #now = 0;

  constructor(options: PipelineOptions) {
    this.#table = options.table;
    this.#words = options.table.words;
    this.#doubles = options.table.doubles;
    this.#book = options.book;
    this.#counts = options.counters.values;
    this.#worker = options.worker.index;
    this.#workers = options.worker.count;
    this.#flows = new Flows(options);
    this.#answers = new Answers(this.#packet, options.counters);
    this.#strays = new Strays(this.#packet, options.table.hash, this.#answers);
    const identification = options.identification ?? 0;
    this.#cutter = new Cutter(this.#packet, options.emit, identification);
    this.#reassembly = new Reassembly({ ...options, identification: identification & 0xffff }, this.#packet, this.#flows.targets, this.#answers);
  }

  /** Decides every packet from now on by `snapshot`. Called between two packets; afterwards `sweep` until it says false. */
  configure(snapshot: Snapshot): void {
    this.#flows.configure(snapshot, this.#now);
  }

  /**
   * Takes a packet that was read from the TUN of network `network`. `length` counts the virtio-net header and the IP packet.
   * Changes the frame in place and answers how many bytes of it to write back to the same TUN; 0 for none; -(n + 1) when
   * the packet, unchanged but for reassembly, is worker n's: its length is then `handOverLength`. Never throws, never allocates.
   * @param nowMs whole milliseconds, below 2^31 * 100, of a clock that does not go back
   */
  process(network: number, frame: Frame, length: number, nowMs: number): number {
    const counts = this.#counts;
    const packet = this.#packet;
    const now = (nowMs / 100) | 0;
    counts[Counter.receivedPackets]! += 1;
    counts[Counter.receivedBytes]! += length > IP ? length - IP : 0;

    let reason = parse(frame, length, packet);
    if (reason === Reason.fragment) {
      if (this.#worker !== REASSEMBLER) return this.#handOver(REASSEMBLER, length);
      const whole = this.#reassembly.add(frame, network, nowMs);
      if (whole === 0) return this.#answers.drop(Counter.heldFragments);
      // Its sender cuts it for a path that may be narrower than the network, so it goes on in parts that pass everywhere: noted for its worker.
      if (packet.family === 6 && whole - IP > ipv6.MINIMUM_MTU) frame.view.setUint16(GSO_SIZE, ipv6.MINIMUM_MTU, true);
      reason = parse(frame, whole, packet);
    }
    if (reason !== Reason.ok) return this.#answers.drop(FIRST_REASON + reason);
    const target = this.#flows.targets.networks[network];
    if (target === undefined) return this.#answers.drop(Counter.droppedUnknownNetwork);

    let kind = (network << 16) | (packet.protocol << 8);
    if (packet.family === 6) {
      kind |= FLAG_V6;
      findAddresses(this.#book, frame, IP, packet);
      // What is in no snapshot has no handle. A network without IPv6 gets here too: its own kernel asks for routers.
      if (packet.destination === 0) return this.#answers.drop(Counter.droppedUnknownDestination);
    }
    if (packet.protocol === ICMP || packet.protocol === ipv6.ICMPV6) return this.#icmp(kind, target, frame, now);
    const fromEndpoint = packet.destination === target.balancerOf(packet.family === 6);
    const owner = this.#ownerElsewhere(fromEndpoint ? packet.destinationPort : packet.sourcePort);
    if (owner >= 0) return this.#handOver(owner, IP + packet.totalLength);
    return fromEndpoint ? this.#fromEndpoint(kind, target, frame, now) : this.#fromClient(kind, target, frame, now);
  }

  /** Segments of these connections are refused from now on: nobody has them any more. */
  refuse(network: number, flows: readonly EndedFlow[]): void {
    for (const flow of flows) this.#strays.refuse(network, flow, this.#now);
  }

  /** Bytes of the frame that `process` wants to be handed over. */
  handOverLength = 0;

  /** Ends flows and half datagrams that fell due; bounded work per call. Call it about every 100 ms; needed while flows exist. */
  expire(nowMs: number): void {
    this.#now = (nowMs / 100) | 0;
    this.#flows.expire(this.#now);
    this.#reassembly.expire(nowMs);
  }

  /** One bounded step of ending flows whose endpoint or VIP left the snapshot. True while there is more to do. */
  sweep(): boolean {
    return this.#flows.sweep(this.#now);
  }

  #handOver(owner: number, length: number): number {
    this.#counts[Counter.handedOver]! += 1;
    this.handOverLength = length;
    return -(owner + 1);
  }

  #fromClient(kind: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const words = this.#words;
    const slot = this.#table.findByClient(kind, packet.source, packet.destination, (packet.sourcePort << 16) | packet.destinationPort);
    if (slot === 0) return this.#begin(kind, target, frame, now);
    const word = slot << 4;
    const isTcp = packet.protocol === TCP;
    const isSyn = isTcp && (packet.flags & (SYN | ACK)) === SYN;
    if (isTcp && (packet.flags & ACK) !== 0) this.#advance(word + CLIENT_ACK, frame.view.getInt32(packet.l4 + tcp.ACKNOWLEDGEMENT));
    if (!this.#flows.isCurrent(slot, target)) {
      // A connection cannot move; a datagram or the begin of a connection can, and does so at once.
      if (isTcp && !isSyn) return this.#endpointGone(slot, frame, now);
      this.#counts[Counter.flowsEnded]! += 1;
      this.#flows.end(slot, now);
      return this.#begin(kind, target, frame, now);
    }
    const before = words[word + LAST_SEEN]!;
    words[word + LAST_SEEN] = now;
    if (isTcp) {
      const state = words[word + KIND]! & STATE_MASK;
      const where = isSyn ? this.#syn(slot, state, target, frame, before, now) : STAYS;
      if (where !== STAYS) {
        this.#flows.end(slot, now);
        return this.#begin(kind, target, frame, now, where);
      }
      const next = nextTcpState(state, true, packet.flags, packet.payloadLength);
      if (next !== state) this.#flows.enter(slot, target, state, next, now);
    }
    return this.#toEndpoint(slot, target, frame);
  }

  /** A SYN on a flow that there is: where the connection begins anew, STAYS if it does not. `before`: when the client was heard last. */
  #syn(slot: number, state: number, target: NetworkTarget, frame: Frame, before: number, now: number): number {
    if (isOver(state)) return this.#flows.neverOpened(slot) || this.#isNewSyn(slot << 4, frame) ? ANYWHERE : STAYS;
    return state === State.synSent ? this.#flows.unanswered(slot, target, before, now) : STAYS;
  }

  #fromEndpoint(kind: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const words = this.#words;
    const isTcp = packet.protocol === TCP;
    const slot = this.#table.findByEndpoint(kind, packet.source, (packet.sourcePort << 16) | packet.destinationPort);
    if (slot === 0) return this.#strays.fromEndpoint(frame, target, now);
    const word = slot << 4;
    if (isTcp && (packet.flags & ACK) !== 0) this.#advance(word + ENDPOINT_ACK, frame.view.getInt32(packet.l4 + tcp.ACKNOWLEDGEMENT));
    if (!this.#flows.isCurrent(slot, target)) return this.#endpointGone(slot, frame, now);
    words[word + LAST_SEEN] = now;
    if (isTcp) {
      const state = words[word + KIND]! & STATE_MASK;
      const taken = isOver(state) && (packet.flags & (SYN | ACK)) === (SYN | ACK) && frame.view.getInt32(packet.l4 + tcp.ACKNOWLEDGEMENT) === words[word + ENDPOINT_ACK];
      const next = taken ? State.synReceived : nextTcpState(state, false, packet.flags, packet.payloadLength);
      if (next !== state) this.#flows.enter(slot, target, state, next, now);
      if ((packet.flags & SYN) !== 0) {
        // Numbers begin here. Later it is a copy that was under way for long.
        if (next <= State.synReceived && (packet.flags & ACK) !== 0) {
          words[word + CLIENT_ACK] = (frame.view.getInt32(packet.l4 + tcp.SEQUENCE) + 1) | 0;
          words[word + ENDPOINT_ACK] = frame.view.getInt32(packet.l4 + tcp.ACKNOWLEDGEMENT);
        }
        this.#clamp(frame, target);
      }
    }
    this.#doubles[(slot << 3) + BYTES_OUT]! += packet.totalLength;
    const ports = words[word + CLIENT_PORTS]!;
    const deltas = ~words[word + DELTAS]!;
    applyTuple(frame, packet, this.#book, words[word + VIP]!, words[word + CLIENT]!, (ports << 16) | (ports >>> 16), deltas >>> 16, deltas & 0xffff);
    return this.#forwarded(kind, frame);
  }

  /**
   * Whether a SYN on a flow that is over begins a new connection, and is no late copy that would take the place of this flow or
   * of the client's next one: its number is beyond all that the endpoint acknowledged (RFC 9293 3.6.1). Any other goes to
   * the endpoint, which also has timestamps to judge by (RFC 6191), and it answers a copy as it would without us. A client
   * that sent faster than its clock of numbers runs begins with an older one; when the endpoint takes that, its SYN,ACK acknowledges
   * the number that is noted here.
   */
  #isNewSyn(word: number, frame: Frame): boolean {
    const number = frame.view.getInt32(this.#packet.l4 + tcp.SEQUENCE);
    if (((number - this.#words[word + ENDPOINT_ACK]!) | 0) > 0) return true;
    this.#words[word + ENDPOINT_ACK] = (number + 1) | 0;
    return false;
  }

  /** Sequence numbers only go up: one packet can overtake another, and a RST with the older number would not be believed. */
  #advance(at: number, number: number): void {
    if (((number - this.#words[at]!) | 0) > 0) this.#words[at] = number;
  }

  /** A packet of a flow that may not go on: the flow ends here, and a connection's two sides are told. */
  #endpointGone(slot: number, frame: Frame, now: number): number {
    this.#counts[Counter.flowsEnded]! += 1;
    if (this.#flows.endBoth(slot, now)) return this.#answers.drop(Counter.refusedEndpointGone);
    return this.#packet.protocol === TCP ? this.#answers.reset(frame, Counter.refusedEndpointGone) : this.#answers.drop(Counter.droppedEndpointGone);
  }

  #toEndpoint(slot: number, target: NetworkTarget, frame: Frame): number {
    const packet = this.#packet;
    const words = this.#words;
    const word = slot << 4;
    const kind = words[word + KIND]!;
    if (packet.protocol === TCP && (packet.flags & SYN) !== 0) this.#clamp(frame, target);
    this.#doubles[(slot << 3) + BYTES_IN]! += packet.totalLength;
    const ports = words[word + ENDPOINT_PORTS]!;
    const deltas = words[word + DELTAS]!;
    const balancer = target.balancerOf((kind & FLAG_V6) !== 0);
    applyTuple(frame, packet, this.#book, balancer, words[word + ENDPOINT]!, (ports << 16) | (ports >>> 16), deltas >>> 16, deltas & 0xffff);
    return this.#forwarded(kind, frame);
  }

  /** A packet from the client side that belongs to no flow: the first of one, or refused, or dropped. */
  #begin(kind: number, target: NetworkTarget, frame: Frame, now: number, where = ANYWHERE): number {
    const packet = this.#packet;
    const v6 = packet.family === 6;
    const service = target.service(v6, packet.destination);
    if (service === undefined) return this.#answers.drop(Counter.droppedUnknownDestination);
    if (!this.#mayAnswer(frame, target)) return this.#answers.drop(Counter.droppedMartianSource);
    const isTcp = packet.protocol === TCP;
    if (isTcp && (packet.flags & (SYN | ACK)) !== SYN) return this.#strays.fromClient(frame, target, service, now);

    const client = v6 ? internAddress(this.#book, frame, IP + ipv6.SOURCE) : packet.source;
    if (v6 && client === 0) return this.#answers.drop(Counter.droppedTableFull);
    const hash = v6 ? this.#book.fold(client) : client;
    const ports = (packet.sourcePort << 16) | packet.destinationPort;
    const state = isTcp ? State.synSent : packet.protocol === UDP ? State.udp : State.icmp;
    const slot = this.#flows.begin(kind, state, target, service, client, packet.destination, ports, hash, now, where);
    if (v6) this.#book.release(client);
    if (slot === NO_ENDPOINT) {
      return isTcp ? this.#answers.reset(frame, Counter.refusedNoEndpoint) : this.#answers.unreachable(frame, Counter.refusedNoEndpoint, now);
    }
    if (slot < 0) return this.#answers.drop(slot === NO_PORT ? Counter.droppedPortExhausted : Counter.droppedTableFull);
    if (isTcp) this.#words[(slot << 4) + ENDPOINT_ACK] = (frame.view.getInt32(packet.l4 + tcp.SEQUENCE) + 1) | 0;
    return this.#toEndpoint(slot, target, frame);
  }

  /** Echo queries are balanced like datagrams, with the identifier for a port; errors are translated. */
  #icmp(kind: number, target: NetworkTarget, frame: Frame, now: number): number {
    const packet = this.#packet;
    const v6 = packet.family === 6;
    if (!target.owns(v6, packet.destination)) return this.#answers.drop(Counter.droppedUnknownDestination);
    if (!this.#mayAnswer(frame, target)) return this.#answers.drop(Counter.droppedMartianSource);
    const toBalancer = packet.destination === target.balancerOf(v6);
    const type = packet.icmpType;
    const isRequest = type === (v6 ? icmpv6.ECHO_REQUEST : icmp.ECHO_REQUEST);
    if (isRequest && toBalancer) return this.#answers.echo(frame);
    if (isRequest || (toBalancer && type === (v6 ? icmpv6.ECHO_REPLY : icmp.ECHO_REPLY))) {
      const owner = this.#ownerElsewhere(isRequest ? packet.sourcePort : packet.destinationPort);
      if (owner >= 0) return this.#handOver(owner, IP + packet.totalLength);
      return isRequest ? this.#fromClient(kind, target, frame, now) : this.#fromEndpoint(kind, target, frame, now);
    }
    if (!isError(packet)) return this.#answers.drop(Counter.droppedIcmpUnsupported);
    if (!checksumsRight(frame, packet)) return this.#answers.drop(Counter.droppedBadChecksum);
    const quoted = this.#quoted;
    if (!parseQuoted(frame, packet, quoted)) return this.#answers.drop(Counter.droppedIcmpUnmatched);
    const owner = this.#ownerElsewhere(toBalancer ? quoted.sourcePort : quoted.destinationPort);
    if (owner >= 0) return this.#handOver(owner, IP + packet.totalLength);
    return this.#icmpError(kind, target, frame, toBalancer, now);
  }

  /** The worker that owns a port, -1 when it is this one. */
  #ownerElsewhere(port: number): number {
    if (this.#workers === 1) return -1;
    const owner = ownerOf(port, this.#workers);
    return owner === this.#worker ? -1 : owner;
  }

  /** An error goes to whoever sent the packet that it quotes. It neither ends the flow nor keeps it alive. */
  #icmpError(kind: number, target: NetworkTarget, frame: Frame, fromEndpointSide: boolean, now: number): number {
    const packet = this.#packet;
    const quoted = this.#quoted;
    const words = this.#words;
    const v6 = packet.family === 6;
    if (v6) findAddresses(this.#book, frame, quoted.ip, quoted);
    const key = (kind & ~0xffff) | (quoted.protocol << 8) | (kind & FLAG_V6);
    // The quoted packet went the other way, from the address that the error is sent to.
    const ports = (quoted.destinationPort << 16) | quoted.sourcePort;
    if (quoted.source !== packet.destination) return this.#answers.drop(Counter.droppedIcmpUnmatched);
    const slot = fromEndpointSide
      ? this.#table.findByEndpoint(key, quoted.destination, ports)
      : this.#table.findByClient(key, quoted.destination, quoted.source, ports);
    if (slot === 0) return this.#answers.drop(Counter.droppedIcmpUnmatched);
    if (!this.#flows.isCurrent(slot, target)) {
      this.#counts[Counter.flowsEnded]! += 1;
      this.#flows.endBoth(slot, now);
      return this.#answers.drop(Counter.droppedEndpointGone);
    }
    const word = slot << 4;
    const client = words[word + CLIENT]!;
    const vip = words[word + VIP]!;
    const endpoint = words[word + ENDPOINT]!;
    const balancer = target.balancerOf(v6);
    if (fromEndpointSide) {
      // A router on the way shows as itself, as it would in a traceroute; the endpoint shows as the VIP.
      const reporter = packet.source === endpoint ? vip : packet.source;
      // The client would be told by itself: no host on the endpoint side reports that.
      if (reporter === client) return this.#answers.drop(Counter.droppedIcmpUnmatched);
      translateError(frame, packet, quoted, this.#book, reporter, client, client, vip, words[word + CLIENT_PORTS]!);
    } else {
      translateError(frame, packet, quoted, this.#book, balancer, endpoint, endpoint, balancer, words[word + ENDPOINT_PORTS]!);
    }
    return this.#forwarded(kind, frame);
  }

  #mayAnswer(frame: Frame, target: NetworkTarget): boolean {
    const packet = this.#packet;
    return this.#answers.canAnswer(frame) && !target.owns(packet.family === 6, packet.source);
  }

  /** Neither side may send segments that do not fit the network, whatever it believes of the path. */
  #clamp(frame: Frame, target: NetworkTarget): void {
    const mss = this.#packet.family === 6 ? target.mss6 : target.mss;
    if (clampMss(frame, this.#packet, mss)) this.#counts[Counter.clampedMss]! += 1;
  }

  #forwarded(kind: number, frame: Frame): number {
    const counts = this.#counts;
    const bytes = this.#packet.totalLength;
    counts[Counter.forwardedPackets]! += 1;
    counts[Counter.forwardedBytes]! += bytes;
    if ((kind & FLAG_V6) !== 0 && this.#cutter.cut(kind >>> 16, frame)) return 0;
    return IP + bytes;
  }
}
