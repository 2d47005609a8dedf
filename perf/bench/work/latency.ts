/**
 * Latency at equal load: the same number of requests per second for every peer, open loop (perf/bench/load/open-loop.ts), over
 * 32 keep-alive connections from 16 addresses.
 */
import { generate } from './generator.js';
import type { Work } from './work.js';

export const CONNECTIONS = 32;

/** More unanswered ones than this share, and the peer did not stand the load: its quantiles would say nothing. */
const MOST_FAILED = 0.01;

export const latency: Work = {
  name: 'latency',
  title: 'latency at equal load, 32 connections',
  metrics: [
    { key: 'p99', title: 'p99', unit: 'ms', better: 'less' },
    { key: 'p50', title: 'p50', unit: 'ms', better: 'less' },
    { key: 'p999', title: 'p99.9', unit: 'ms', better: 'less' },
  ],
  suits: () => true,
  async measure(lane, { http }, { seconds, rate }) {
    const result = await generate(lane, { kind: 'latency', ...http, seconds, rate, connections: CONNECTIONS, held: 0, pids: [] });
    if (result.failed > MOST_FAILED * (result.done + result.failed)) throw new Error(`${result.failed} of ${result.done + result.failed} requests had no answer at ${rate}/s`);
    return { ...result.latency };
  },
};
