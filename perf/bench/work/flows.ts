/**
 * Many idle flows, through the peers that need no sockets for them: 100,000 real TCP connections, more than one process has
 * descriptors for in many places, so several processes open them and several workers serve them. What they cost, and the latency
 * of others beside them.
 */
import { connectionLimit } from '../limits.js';
import type { HoldJob } from '../load/hold-main.js';
import { bytesInUse, bytesOf } from '../measure/memory.js';
import { nodeDaemon } from '../process.js';
import { startHoldServers } from '../servers.js';
import { CLIENTS, HOLD_PORT } from '../topology.js';
import { generate } from './generator.js';
import { HELD_METRICS } from './held.js';
import { CONNECTIONS } from './latency.js';
import type { Work } from './work.js';

const READY_PORT = 9000;
const TIMEOUT_MS = 130_000;

/** In parts of at most `most`, as even as can be. */
export function parts(count: number, most: number): number[] {
  const processes = Math.ceil(count / most);
  return Array.from({ length: processes }, (_, index) => Math.floor(((index + 1) * count) / processes) - Math.floor((index * count) / processes));
}

export const flows: Work = {
  name: 'flows',
  title: 'idle flows, peers without sockets',
  metrics: HELD_METRICS,
  once: true,
  extra: true,
  suits: (peer) => !peer.sockets,
  async measure(lane, { http, daemons }, { seconds, rate, flows: count }) {
    const started = await startHoldServers(lane);
    try {
      const pids = daemons.flatMap((daemon) => daemon.pids());
      const before = { peer: bytesOf(pids), machine: bytesInUse() };
      // A client holds one descriptor for each connection, where a proxy would hold two.
      const holders = parts(count, connectionLimit() * 2).map((share, index) => {
        const job: HoldJob = { address: http.address, port: HOLD_PORT, sources: CLIENTS, count: share, readyPort: READY_PORT + index };
        return nodeDaemon('./load/hold-main.js', [JSON.stringify(job)], lane.client);
      });
      started.push(...holders);
      await Promise.all(holders.map((holder, index) => holder.ready(lane.client, '127.0.0.1', READY_PORT + index, TIMEOUT_MS)));
      const after = { peer: bytesOf(pids), machine: bytesInUse() };
      const result = await generate(lane, { kind: 'latency', ...http, seconds, rate, connections: CONNECTIONS, held: 0, pids: [] });
      const { p50, p99 } = result.latency;
      return { p50, p99, peer: (after.peer - before.peer) / count, machine: (after.machine - before.machine) / count };
    } finally {
      await Promise.all(started.map((daemon) => daemon.stop()));
    }
  },
};
