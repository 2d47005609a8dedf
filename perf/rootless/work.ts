/**
 * What is measured through a published port, and what is to be reached. The client and the servers are the same for every peer.
 */
import { fileURLToPath } from 'node:url';
import type { Job, JobResult } from '../bench/load/job.js';
import { HOST, run, SOURCES, type Place } from './host.js';
import type { PeerName } from './options.js';
import type { Peer } from './peers.js';

export interface Work {
  readonly title: string;
  readonly unit: 'Gbit/s' | '/s';
  /** Compared with one peer, or with the better of these; ratios that are to be reached at least. */
  readonly limits: readonly { readonly to: readonly PeerName[]; readonly atLeast: number }[];
  measure(peer: Peer, client: Place, seconds: number): Promise<number>;
}

const SLACK_MS = 30_000;
const AT_ONCE = 64;
/** Of all connections, by which a measurement still counts. */
const MOST_FAILED = 0.01;

const BULK_LIMITS = [{ to: ['slirp4netns'], atLeast: 3 }, { to: ['pasta'], atLeast: 0.7 }] as const;

export const WORKS: readonly Work[] = [
  bulk('bulk TCP, 1 stream, to the port', { streams: 1 }, BULK_LIMITS),
  bulk('bulk TCP, 8 streams, to the port', { streams: 8 }, BULK_LIMITS),
  bulk('bulk TCP, 1 stream, from the port', { streams: 1, reverse: true }, BULK_LIMITS),
  bulk('bulk TCP, 1 stream, to the port, from the host itself by 127.0.0.1', { streams: 1, local: true }, []),
  {
    title: `new connections, ${AT_ONCE} at once`,
    unit: '/s',
    limits: [{ to: ['pasta', 'slirp4netns'], atLeast: 1 }],
    async measure(peer, client, seconds) {
      const job: Job = { kind: 'connect', address: HOST, port: peer.http, sources: SOURCES, seconds, rate: 0, connections: AT_ONCE, held: 0, pids: [] };
      const generator = fileURLToPath(new URL('../bench/load/main.js', import.meta.url));
      const result = JSON.parse(await run(client, process.execPath, [generator, JSON.stringify(job)], seconds * 1000 + SLACK_MS)) as JobResult;
      if (result.done === 0 || result.failed > MOST_FAILED * result.done) throw new Error(`${result.failed} connections failed, ${result.done} did not`);
      return result.done / result.seconds;
    },
  },
];

interface Bulk {
  readonly streams: number;
  readonly reverse?: boolean;
  readonly local?: boolean;
}

function bulk(title: string, { streams, reverse = false, local = false }: Bulk, limits: Work['limits']): Work {
  return {
    title,
    unit: 'Gbit/s',
    limits,
    async measure(peer, client, seconds) {
      const args = ['--client', local ? '127.0.0.1' : HOST, '--port', `${peer.bulk}`, '--json', '--time', `${seconds}`, '--parallel', `${streams}`, ...(reverse ? ['--reverse'] : [])];
      const output = await run(local ? undefined : client, 'iperf3', args, seconds * 1000 + SLACK_MS);
      const { end } = JSON.parse(output) as { readonly end: { readonly sum_received: { readonly bits_per_second: number } } };
      return end.sum_received.bits_per_second / 1e9;
    },
  };
}
