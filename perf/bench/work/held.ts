/**
 * Idle connections held: real TCP connections, each of which has had one answer, from 16 client addresses; what they cost the
 * peer's processes (Pss), what they cost the machine (sockets of client and endpoints included), and the latency of others
 * beside them. For a peer without processes the first is 0: its memory is the kernel's.
 */
import { CONNECTIONS } from './latency.js';
import { generate } from './generator.js';
import type { Work } from './work.js';

/** What idle connections cost, and what a peer still gives others beside them. */
export const HELD_METRICS: Work['metrics'] = [
  { key: 'p99', title: 'p99 beside them', unit: 'ms', better: 'less' },
  { key: 'p50', title: 'p50 beside them', unit: 'ms', better: 'less' },
  { key: 'peer', title: 'memory of the peer', unit: 'bytes each', better: 'less' },
  { key: 'machine', title: 'memory of the machine', unit: 'bytes each', better: 'less' },
];

export const held: Work = {
  name: 'held',
  title: 'idle connections held',
  metrics: HELD_METRICS,
  once: true,
  suits: () => true,
  async measure(lane, { http, daemons }, { seconds, rate, held: count }) {
    const pids = daemons.flatMap((daemon) => daemon.pids());
    const result = await generate(lane, { kind: 'held', ...http, seconds, rate, connections: CONNECTIONS, held: count, pids });
    const { p50, p99 } = result.latency;
    return { p50, p99, peer: result.peerBytes / count, machine: result.machineBytes / count };
  },
};
