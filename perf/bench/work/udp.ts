/**
 * UDP in small packets: iperf3 sends datagrams of 64 bytes as fast as it can, toward the endpoint (up) and from it (down), and
 * what arrives is counted. The sender is the same for all and does not wait, so on a small machine the rate says how much of
 * the CPU the peer leaves to the two ends; what is lost is lost in the queue before whoever is slowest.
 */
import { run } from '../../../kernel/run/runner.js';
import { OutputError, parseIperfUdp } from '../measure/tools.js';
import type { Work } from './work.js';

const BYTES = 64;

function udp(direction: 'up' | 'down'): Work {
  return {
    name: `udp-${direction}`,
    title: `UDP, 64 bytes, ${direction === 'up' ? 'client to endpoint' : 'endpoint to client'}`,
    metrics: [
      { key: 'rate', title: 'datagrams', unit: 'thousand/s', better: 'more' },
      { key: 'lost', title: 'lost', unit: '%', better: 'less' },
    ],
    suits: (peer) => peer.udp,
    async measure(lane, { bulk: { address, port } }, { seconds }) {
      const time = Math.max(Math.round(seconds), 1);
      const reverse = direction === 'down' ? ['--reverse'] : [];
      const load = ['--udp', '--length', `${BYTES}`, '--bitrate', '0', '--time', `${time}`];
      const args = ['--client', address, '--port', `${port}`, '--json', '--connect-timeout', '2000', ...load, ...reverse];
      const result = parseIperfUdp(await run('iperf3', args, { netns: lane.client, timeout: (time + 8) * 1000 }));
      if (result.received <= 0) throw new OutputError('iperf3: nothing arrived');
      return { rate: result.received / result.seconds / 1000, lost: (1 - result.received / result.sent) * 100 };
    },
  };
}

export const udps: readonly Work[] = [udp('up'), udp('down')];
