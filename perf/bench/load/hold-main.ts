/**
 * A process that opens idle connections and keeps them until it is ended: `node hold-main.js JOB-AS-JSON`, in the client's
 * namespace. It listens on 127.0.0.1 when all of them are there, so that its readiness is seen as that of any other process.
 */
import net from 'node:net';
import { Dialer } from './client.js';
import { ConnectionPool } from './open-loop.js';

export interface HoldJob {
  readonly address: string;
  readonly port: number;
  readonly sources: readonly string[];
  readonly count: number;
  readonly readyPort: number;
}

const TIMEOUT_MS = 120_000;
const AT_ONCE = 128;

const job = JSON.parse(process.argv[2] ?? '') as HoldJob;
ConnectionPool.open(new Dialer(job.address, job.port, job.sources), job.count, AT_ONCE, TIMEOUT_MS);
net.createServer().listen(job.readyPort, '127.0.0.1');
