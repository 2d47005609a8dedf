/**
 * What runs on the endpoints of a lane: a static HTTP server on both, and an iperf3 server on the first. They are the same
 * for every peer. nginx serves from memory (the `return` directive), keeps connections as long as the client likes, and is
 * not the bottleneck: without a balancer it answers several times the requests of any peer.
 */
import fs from 'node:fs';
import { connectionLimit } from './limits.js';
import { Daemon } from './process.js';
import { BULK_PORT, ENDPOINTS, HOLD_PORT, HTTP_PORT, type Lane } from './topology.js';

const BODY = 'x'.repeat(128);

interface Shape {
  readonly workers: number;
  readonly port: number;
  /** Options of `listen`. */
  readonly listen: string;
}

const SERVING: Shape = { workers: 1, port: HTTP_PORT, listen: 'backlog=65535' };
/** Sockets by worker are chosen by hash of the connection: no worker comes to its limit of descriptors. */
const HOLDING: Shape = { workers: 8, port: HOLD_PORT, listen: 'backlog=65535 reuseport' };

const nginx = (directory: string, { workers, port, listen }: Shape): string => `
worker_processes ${workers};
pid ${directory}/nginx.pid;
error_log ${directory}/error.log crit;
daemon off;
events { worker_connections ${connectionLimit() * 2}; multi_accept on; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_header_timeout 3600s;
  client_header_buffer_size 1k;
  connection_pool_size 256;
  default_type text/plain;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen ${port} ${listen};
    location / { return 200 "${BODY}"; }
  }
}
`;

/** Resolves when the HTTP servers of this shape accept on both endpoints. */
async function startNginx(lane: Lane, shape: Shape): Promise<Daemon[]> {
  const daemons: Daemon[] = [];
  for (const [index, endpoint] of lane.endpoints.entries()) {
    const directory = `/run/bench/${lane.name}-e${index + 1}-${shape.port}`;
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(`${directory}/nginx.conf`, nginx(directory, shape));
    const daemon = new Daemon('nginx', ['-p', directory, '-e', `${directory}/error.log`, '-c', `${directory}/nginx.conf`], endpoint);
    daemons.push(daemon);
    await daemon.ready(endpoint, ENDPOINTS[index] ?? '', shape.port);
  }
  return daemons;
}

export async function startServers(lane: Lane): Promise<Daemon[]> {
  const daemons = await startNginx(lane, SERVING);
  const iperf = new Daemon('iperf3', ['-s', '-p', `${BULK_PORT}`], lane.endpoints[0]);
  await iperf.ready(lane.endpoints[0], ENDPOINTS[0], BULK_PORT);
  return [...daemons, iperf];
}

/** Servers at HOLD_PORT that take several times as many connections as one process has descriptors. */
export function startHoldServers(lane: Lane): Promise<Daemon[]> {
  return startNginx(lane, HOLDING);
}
