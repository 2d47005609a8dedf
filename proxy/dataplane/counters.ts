/**
 * Counters of the data plane: one Float64Array over shared memory, written by a worker and read by any thread.
 *
 * A count is exact up to 2^53. The books balance: `receivedPackets` is the sum of `forwardedPackets`, every `replied…`,
 * every `refused…` and every `dropped…` counter, because every packet ends in exactly one of them.
 * What a device cannot deliver is the worker's to count, not the pipeline's (`device…`, `devicesLost`).
 */

/** Index of each counter. A key here is the name that users see. */
export const Counter = {
  receivedPackets: 0,
  receivedBytes: 1,
  forwardedPackets: 2,
  forwardedBytes: 3,
  flowsOpened: 4,
  flowsExpired: 5,
  /** Gave way to a new flow because the table was full. */
  flowsEvicted: 6,
  /** Ended because their endpoint or VIP left the snapshot. */
  flowsEnded: 7,
  /** Echo requests answered for a VIP or the balancer address. */
  repliedEcho: 8,
  /** TCP (RST) and UDP (ICMP port unreachable): the service has no endpoint that takes flows. */
  refusedNoEndpoint: 9,
  /** RST or port unreachable: not of any flow and no beginning of one. */
  refusedNoFlow: 10,
  /** RST: the flow's endpoint or VIP is gone. */
  refusedEndpointGone: 11,
  // The next ones are in the order of Reason in wire/parsed.ts.
  droppedTruncated: 12,
  droppedNotIpv4: 13,
  droppedBadHeaderLength: 14,
  droppedBadTotalLength: 15,
  droppedFragment: 16,
  droppedLand: 17,
  droppedBadTcp: 18,
  droppedBadTcpFlags: 19,
  droppedBadUdp: 20,
  droppedBadIcmp: 21,
  droppedBadPort: 22,
  droppedBadVirtioHeader: 23,
  droppedUnsupportedProtocol: 24,
  // Here that order ends.
  droppedUnknownNetwork: 25,
  droppedUnknownDestination: 26,
  /** A source address that no answer can be sent to: ours, loopback, multicast, class E or this-network. */
  droppedMartianSource: 27,
  /** Checked only where we answer or translate ourselves; elsewhere an error is carried on for the receiver to see. */
  droppedBadChecksum: 28,
  /** A RST of no flow: answering it is forbidden. */
  droppedStrayReset: 29,
  /** UDP from an endpoint that is gone. */
  droppedEndpointGone: 30,
  droppedPortExhausted: 31,
  droppedTableFull: 32,
  /** An ICMP error that quotes a packet of no flow. */
  droppedIcmpUnmatched: 33,
  droppedIcmpUnsupported: 34,
  /** A port unreachable not sent because of the limit on ICMP errors (RFC 1812 4.3.2.8). */
  droppedIcmpLimited: 35,
  /** Devices that failed and were let go. */
  devicesLost: 36,
  /** Frames that the device did not take: its queue is full or memory is short. */
  deviceWriteBusy: 37,
  /** The kernel found the frame malformed. */
  deviceWriteInvalid: 38,
  /** The link is down or gone. */
  deviceWriteDown: 39,
  /** Any other cause. */
  deviceWriteErrors: 40,
} as const;

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
