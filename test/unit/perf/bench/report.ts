/**
 * A small report of the bench, for tests of what is made from it.
 */
import type { Report } from '../../../../perf/bench/measure/report.js';

/** Peers none, nft (kernel), vip, haproxy, haproxy-1-splice, nginx; `samples` by work/metric/peer. */
export function reportOf(samples: Record<string, (number | null)[]>, over: Partial<Report> = {}): Report {
  const works = [
    { name: 'bulk-1-up', title: 'bulk up', metrics: [{ key: 'gbit', title: 'throughput', unit: 'Gbit/s', better: 'more' as const }, { key: 'cpu', title: 'CPU', unit: 's/GB', better: 'less' as const }] },
    { name: 'bulk-1-down', title: 'bulk down', metrics: [{ key: 'gbit', title: 'throughput', unit: 'Gbit/s', better: 'more' as const }] },
    { name: 'latency', title: 'latency <equal load>', metrics: [{ key: 'p99', title: 'p99', unit: 'ms', better: 'less' as const }] },
  ];
  return {
    date: '2026-01-01T00:00:00.000Z',
    machine: { cpus: 2, model: 'a processor', memoryBytes: 8 * 2 ** 30, load: 0.1, kernel: '6.18', node: 'v20', versions: ['haproxy 2.6'] },
    settings: { rounds: 3, seconds: 1, rate: 3000, held: 8000, flows: 100_000, seed: 1 },
    peers: [
      { name: 'none', title: 'no balancer', class: 'kernel' },
      { name: 'nft', title: 'nftables DNAT', class: 'kernel' },
      { name: 'vip', title: 'vipmesh, VIP', class: 'userspace' },
      { name: 'haproxy', title: 'HAProxy', class: 'userspace' },
      { name: 'haproxy-1-splice', title: 'HAProxy, splice', class: 'userspace' },
      { name: 'nginx', title: 'nginx stream', class: 'userspace' },
    ],
    works,
    samples,
    failures: [],
    seconds: 100,
    ...over,
  };
}
