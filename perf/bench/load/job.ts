/**
 * What the bench asks of a load generator, and what it answers: JSON, as the first argument and on standard output.
 */
import type { Quantiles } from '../measure/statistics.js';

export interface Job {
  readonly kind: 'latency' | 'connect' | 'held';
  readonly address: string;
  readonly port: number;
  /** Client addresses, in turn. */
  readonly sources: readonly string[];
  readonly seconds: number;
  /** Requests per second, for latency and held. */
  readonly rate: number;
  /** Connections in use at once. */
  readonly connections: number;
  /** Connections that are held, idle, beside them. */
  readonly held: number;
  /** Processes of the peer, whose memory is asked for. */
  readonly pids: readonly number[];
}

export interface JobResult {
  readonly latency: Quantiles;
  /** Requests or connections that were answered, and those that were not. */
  readonly done: number;
  readonly failed: number;
  /** The time that `done` took. */
  readonly seconds: number;
  /** Of the whole machine in that time. */
  readonly cpuSeconds: number;
  /** Bytes that holding the connections added: to the peer's processes (Pss), and to all memory in use. */
  readonly peerBytes: number;
  readonly machineBytes: number;
}
