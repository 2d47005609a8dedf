/** What a fabric worker has counted: numbers over shared memory, written by it and read by any thread. A count is exact up to 2^53. */
import { VERDICTS } from './admission.js';

let next: number = VERDICTS.length;

/** Index of each count; those before are by Verdict. A key here is the name that users see. */
export const Count = {
  /** Datagrams, of inner packets of at most the network's MTU each, and their bytes without UDP's and IP's headers. */
  sentDatagrams: next++,
  sentBytes: next++,
  /** Datagrams that the underlay did not take. */
  sendFailed: next++,
  /** Packets to an address that no node has, and frames that are none. */
  notSent: next++,
  receivedDatagrams: next++,
  receivedBytes: next++,
  /** Packets given to networks, super-packets counted once, and those that were not taken. */
  delivered: next++,
  deliverFailed: next++,
} as const;

export class Counters {
  readonly values: Float64Array;

  constructor(buffer: SharedArrayBuffer = Counters.allocate()) {
    this.values = new Float64Array(buffer);
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(next * Float64Array.BYTES_PER_ELEMENT);
  }

  /** Datagrams that were dropped, by why. */
  drops(): Record<string, number> {
    return Object.fromEntries(VERDICTS.flatMap((name, verdict) => (verdict === 0 ? [] : [[name, this.values[verdict]!]])));
  }

  traffic(): Record<string, number> {
    return Object.fromEntries(Object.entries(Count).map(([name, index]) => [name, this.values[index]!]));
  }
}
