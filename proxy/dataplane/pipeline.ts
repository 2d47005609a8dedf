/**
 * The packet path as a pure function of packet, state and time.
 */
import type { Snapshot } from '../config/snapshot.js';
import type { FlowTable } from '../flow/table.js';
import type { Frame } from '../wire/frame.js';
import type { Counters } from './counters.js';

export interface PipelineOptions {
  readonly table: FlowTable;
  readonly counters: Counters;
}

export class Pipeline {
  constructor(readonly options: PipelineOptions) {}

  /** Decides every packet from now on by `snapshot`. Called between two packets. */
  configure(snapshot: Snapshot): void {
    void snapshot;
  }

  /**
   * Takes a packet that was read from the TUN of network `network`. `length` counts the virtio-net header and the IP
   * packet. Changes the frame in place and answers how many bytes of it to write back to the same TUN, 0 for none.
   * Never throws, never allocates. `nowMs`: milliseconds of a clock that does not go back; best a whole number below 2^31.
   */
  process(network: number, frame: Frame, length: number, nowMs: number): number {
    return network + frame.bytes.length + nowMs < 0 ? length : 0;
  }

  /** Ends flows that fell due; bounded work per call. Call it about every 100 ms; needed while flows exist. */
  expire(nowMs: number): void {
    void nowMs;
  }
}
