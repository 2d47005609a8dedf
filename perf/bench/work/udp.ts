/**
 * UDP in small packets: iperf3 sends datagrams of 64 bytes as fast as it can, toward the endpoint (up) and from it (down), and
 * what arrives is counted. The sender is the same for all and does not wait, so on a small machine the rate says how much of
 * the CPU the peer leaves to the two ends; what is lost is lost in the queue before whoever is slowest.
 */
import { OutputError, parseIperfUdp } from '../measure/tools.js';
import { iperf, type Direction } from './iperf.js';
import type { Work } from './work.js';

const BYTES = 64;

function udp(direction: Direction): Work {
  return {
    name: `udp-${direction}`,
    title: `UDP, 64 bytes, ${direction === 'up' ? 'client to endpoint' : 'endpoint to client'}`,
    metrics: [
      { key: 'rate', title: 'datagrams', unit: 'thousand/s', better: 'more' },
      { key: 'lost', title: 'lost', unit: '%', better: 'less' },
    ],
    suits: (peer) => peer.udp,
    async measure(lane, peer, { seconds }) {
      const result = parseIperfUdp(await iperf(lane, peer, direction, seconds, ['--udp', '--length', `${BYTES}`, '--bitrate', '0']));
      if (result.received <= 0) throw new OutputError('iperf3: nothing arrived');
      return { rate: result.received / result.seconds / 1000, lost: (1 - result.received / result.sent) * 100 };
    },
  };
}

export const udps: readonly Work[] = [udp('up'), udp('down')];
