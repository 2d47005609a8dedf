/**
 * What the bench makes each peer do. One file per kind of work says what is measured, and how.
 */
import type { Peer, RunningPeer } from '../peers/peer.js';
import type { Lane } from '../topology.js';

export interface Metric {
  /** Unique within the work. */
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
}

export interface Settings {
  /** Of one measurement. iperf3 and wrk take whole seconds only, at least 1. */
  readonly seconds: number;
  /** Requests per second of the latency at a fixed rate. */
  readonly rate: number;
  /** Idle connections that are held through every peer. */
  readonly held: number;
  /** Idle connections that are held through peers without sockets of their own. */
  readonly flows: number;
}

export interface Work {
  readonly name: string;
  readonly title: string;
  /** The first is the one that the chart shows. */
  readonly metrics: readonly [Metric, ...Metric[]];
  /** In the last round only: it takes long, and what it leaves behind would be in the way of the others. */
  readonly once?: boolean;
  /** Left out of --quick. */
  readonly extra?: boolean;
  /** Whether this peer can do it. */
  suits(peer: Peer): boolean;
  /** A number for each metric. Rejects when the peer does not stand it. */
  measure(lane: Lane, peer: RunningPeer, settings: Settings): Promise<Readonly<Record<string, number>>>;
}
