/**
 * Keep-alive HTTP requests per second by wrk: 32 connections, each sending its next request when it has its answer, as fast as
 * everything together can. CPU time is that of the whole machine, per request.
 */
import { run } from '../../../kernel/run/runner.js';
import { cpuSeconds } from '../measure/cpu.js';
import { OutputError, parseWrk } from '../measure/tools.js';
import { wholeSeconds } from './iperf.js';
import type { Work } from './work.js';

const CONNECTIONS = 32;

export const http: Work = {
  name: 'http',
  title: 'keep-alive HTTP, 32 connections',
  metrics: [
    { key: 'rate', title: 'requests', unit: 'requests/s', better: 'more' },
    { key: 'cpu', title: 'CPU of the machine', unit: 'µs/request', better: 'less' },
  ],
  suits: () => true,
  async measure(lane, { http: { address, port } }, { seconds }) {
    const time = wholeSeconds(seconds);
    const before = cpuSeconds();
    const args = ['--threads', '1', '--connections', `${CONNECTIONS}`, '--duration', `${time}s`, `http://${address}:${port}/`];
    const result = parseWrk(await run('wrk', args, { netns: lane.client, timeout: (time + 8) * 1000 }));
    const cpu = cpuSeconds() - before;
    if (result.requests === 0 || result.errors > result.requests / 1000) throw new OutputError(`wrk: ${result.errors} errors, ${result.requests} requests`);
    return { rate: result.requests / result.seconds, cpu: (cpu / result.requests) * 1e6 };
  },
};
