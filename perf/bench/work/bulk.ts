/**
 * Bulk TCP by iperf3, one stream and eight, toward the endpoint (up) and from it (down). What arrives is counted. The CPU time
 * is that of the whole machine, both ends included, per gigabyte (10^9 bytes).
 */
import { cpuSeconds } from '../measure/cpu.js';
import { parseIperfTcp } from '../measure/tools.js';
import { iperf, type Direction } from './iperf.js';
import type { Metric, Work } from './work.js';

const RATE: Metric = { key: 'gbit', title: 'throughput', unit: 'Gbit/s', better: 'more' };
const CPU: Metric = { key: 'cpu', title: 'CPU of the machine', unit: 's/GB', better: 'less' };

function bulk(streams: number, direction: Direction): Work {
  return {
    name: `bulk-${streams}-${direction}`,
    title: `bulk TCP, ${streams} stream${streams === 1 ? '' : 's'}, ${direction === 'up' ? 'client to endpoint' : 'endpoint to client'}`,
    metrics: [RATE, CPU],
    suits: () => true,
    async measure(lane, peer, { seconds }) {
      const before = cpuSeconds();
      const result = parseIperfTcp(await iperf(lane, peer, direction, seconds, ['--parallel', `${streams}`]));
      const cpu = cpuSeconds() - before;
      return { gbit: (result.bytes * 8) / result.seconds / 1e9, cpu: cpu / (result.bytes / 1e9) };
    },
  };
}

export const bulks: readonly Work[] = [bulk(1, 'up'), bulk(1, 'down'), bulk(8, 'up'), bulk(8, 'down')];
