/**
 * What runs on the endpoints of a lane: a static HTTP server on both, and an iperf3 server on the first. They are the same
 * for every peer. nginx serves from memory (the `return` directive), keeps connections as long as the client likes, and is
 * not the bottleneck: without a balancer it answers several times the requests of any peer.
 */
import fs from 'node:fs';
import { connectionLimit } from './limits.js';
import { Daemon } from './process.js';
import { BULK_PORT, ENDPOINTS, HTTP_PORT, type Lane } from './topology.js';

const BODY = 'x'.repeat(128);

const nginx = (directory: string): string => `
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log crit;
daemon off;
events { worker_connections ${connectionLimit()}; multi_accept on; }
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
    listen ${HTTP_PORT} backlog=65535;
    location / { return 200 "${BODY}"; }
  }
}
`;

export async function startServers(lane: Lane): Promise<Daemon[]> {
  const daemons: Daemon[] = [];
  for (const [index, endpoint] of lane.endpoints.entries()) {
    const directory = `/run/bench/${lane.name}-e${index + 1}`;
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(`${directory}/nginx.conf`, nginx(directory));
    const daemon = new Daemon('nginx', ['-p', directory, '-e', `${directory}/error.log`, '-c', `${directory}/nginx.conf`], endpoint);
    daemons.push(daemon);
    await daemon.ready(endpoint, ENDPOINTS[index] ?? '', HTTP_PORT);
  }
  const iperf = new Daemon('iperf3', ['-s', '-p', `${BULK_PORT}`], lane.endpoints[0]);
  daemons.push(iperf);
  await iperf.ready(lane.endpoints[0], ENDPOINTS[0], BULK_PORT);
  return daemons;
}
