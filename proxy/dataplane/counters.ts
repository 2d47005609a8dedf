/**
 * Counters of the data plane: one Float64Array over shared memory, written by a worker and read by any thread.
 *
 * A count is exact up to 2^53. The books balance: `receivedPackets` is the sum of `forwardedPackets`, `handedOver`,
 * `heldFragments`, every `replied…`, every `refused…` and every `dropped…` counter, because every packet ends in exactly one of them.
 * What a device cannot deliver is the worker's to count, not the pipeline's (`device…`, `devicesLost`, `handOverDropped`).
 */

let next = 0;

/** Index of each counter. A key here is the name that users see. */
export const Counter = {
  receivedPackets: next++,
  receivedBytes: next++,
  forwardedPackets: next++,
  forwardedBytes: next++,
  /** To the worker that owns the flow, which receives and counts the packet once more. */
  handedOver: next++,
  flowsOpened: next++,
  flowsExpired: next++,
  /** Gave way to a new flow because the table was full. */
  flowsEvicted: next++,
  /** Ended because their endpoint or VIP left the snapshot. */
  flowsEnded: next++,
  /** RSTs to both sides of connections that ended here: expired, evicted, drained, or their endpoint gone. */
  emittedResets: next++,
  /** ICMP time exceeded to senders of datagrams that were not whole in time. */
  emittedTimeExceeded: next++,
  /** SYNs that an endpoint refused, or left without an answer while it took no later one; one per flow. */
  connectFailures: next++,
  /** Endpoints that got no new flow for a time because of these. */
  endpointsEjected: next++,
  /** SYNs whose MSS was lowered to what fits the network. */
  clampedMss: next++,
  // What became of fragments, in the order of FragmentEvent in fragment/reassembler.ts.
  fragmentsReceived: next++,
  fragmentsReassembled: next++,
  fragmentsDuplicate: next++,
  fragmentsOverlapping: next++,
  fragmentsMalformed: next++,
  fragmentsTimedOut: next++,
  fragmentsNoMemory: next++,
  // Here that order ends.
  /** Echo requests answered for a VIP or the balancer address. */
  repliedEcho: next++,
  /** TCP (RST) and UDP (ICMP port unreachable): the service has no endpoint that takes flows. */
  refusedNoEndpoint: next++,
  /** RST or port unreachable: not of any flow and no beginning of one. */
  refusedNoFlow: next++,
  /** RST: the flow's endpoint or VIP is gone. */
  refusedEndpointGone: next++,
  /** Fragments that did not make their datagram whole. The one that does counts as what becomes of the datagram. */
  heldFragments: next++,
  // The next ones are in the order of Reason in wire/parsed.ts.
  droppedTruncated: next++,
  droppedNotIp: next++,
  droppedBadHeaderLength: next++,
  droppedBadTotalLength: next++,
  droppedLand: next++,
  droppedBadTcp: next++,
  droppedBadTcpFlags: next++,
  droppedBadUdp: next++,
  droppedBadIcmp: next++,
  droppedBadPort: next++,
  droppedBadVirtioHeader: next++,
  droppedUnsupportedProtocol: next++,
  droppedBadTtl: next++,
  droppedBadExtension: next++,
  // Here that order ends.
  droppedUnknownNetwork: next++,
  droppedUnknownDestination: next++,
  /** A source address that no answer can be sent to: ours, loopback, multicast, class E or this-network. */
  droppedMartianSource: next++,
  /** Checked only where we answer or translate ourselves; elsewhere an error is carried on for the receiver to see. */
  droppedBadChecksum: next++,
  /** A RST of no flow: answering it is forbidden. */
  droppedStrayReset: next++,
  /** TCP of no flow that may be one of the kernel's, whose rules somebody flushed: no RST, so that it goes on when they are back. */
  droppedKernelFlow: next++,
  /** UDP from an endpoint that is gone. */
  droppedEndpointGone: next++,
  droppedPortExhausted: next++,
  droppedTableFull: next++,
  /** An ICMP error that quotes a packet of no flow. */
  droppedIcmpUnmatched: next++,
  droppedIcmpUnsupported: next++,
  /** A port unreachable not sent because of the limit on ICMP errors (RFC 1812 4.3.2.8). */
  droppedIcmpLimited: next++,
  /** Devices that failed and were let go. */
  devicesLost: next++,
  /** Frames that the device did not take: its queue is full or memory is short. */
  deviceWriteBusy: next++,
  /** The kernel found the frame malformed. */
  deviceWriteInvalid: next++,
  /** The link is down or gone. */
  deviceWriteDown: next++,
  /** Any other cause. */
  deviceWriteErrors: next++,
  /** Frames for another worker that its ring had no room for. */
  handOverDropped: next++,
};

export type CounterName = keyof typeof Counter;

const NAMES = Object.keys(Counter) as CounterName[];

export class Counters {
  /** Indexed by `Counter`. Writers add to it directly: `counters.values[Counter.receivedPackets]! += 1`. */
  readonly values: Float64Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(NAMES.length * Float64Array.BYTES_PER_ELEMENT);
  }

  constructor(buffer: SharedArrayBuffer) {
    this.values = new Float64Array(buffer, 0, NAMES.length);
  }

  get(name: CounterName): number {
    return this.values[Counter[name]]!;
  }

  toObject(): Record<CounterName, number> {
    return Object.fromEntries(NAMES.map((name) => [name, this.values[Counter[name]]!])) as Record<CounterName, number>;
  }
}
