/**
 * New connections per second: connect, one request, its answer, the end; 64 at once, from 16 client addresses. The CPU time is
 * that of the whole machine, per connection.
 */
import { generate } from './generator.js';
import type { Work } from './work.js';

const AT_ONCE = 64;
const MOST_FAILED = 0.01;

export const connect: Work = {
  name: 'connect',
  title: 'new connections, 64 at once',
  metrics: [
    { key: 'rate', title: 'connections', unit: 'connections/s', better: 'more' },
    { key: 'p99', title: 'p99', unit: 'ms', better: 'less' },
    { key: 'cpu', title: 'CPU of the machine', unit: 'µs/connection', better: 'less' },
  ],
  suits: () => true,
  async measure(lane, { http }, { seconds }) {
    const result = await generate(lane, { kind: 'connect', ...http, seconds, rate: 0, connections: AT_ONCE, held: 0, pids: [] });
    if (result.done === 0 || result.failed > MOST_FAILED * result.done) throw new Error(`${result.failed} connections failed, ${result.done} did not`);
    return { rate: result.done / result.seconds, p99: result.latency.p99, cpu: (result.cpuSeconds / result.done) * 1e6 };
  },
};
