/**
 * nginx stream: a worker for each core, each with listening sockets of its own (reuseport; without it UDP replies of a
 * session may reach the wrong worker), and larger buffers than the default 16 KiB, which make bulk faster.
 */
import fs from 'node:fs';
import { connectionLimit } from '../limits.js';
import { Daemon } from '../process.js';
import { BULK_PORT, ENDPOINTS, HTTP_PORT, NODE } from '../topology.js';
import type { Peer } from './peer.js';

const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

const config = (directory: string): string => `
${fs.existsSync(MODULE) ? `load_module ${MODULE};` : ''}
worker_processes auto;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log crit;
daemon off;
events { worker_connections ${connectionLimit() * 2}; multi_accept on; }
stream {
  proxy_buffer_size 64k;
  proxy_connect_timeout 5s;
  proxy_timeout 2h;
  tcp_nodelay on;
  upstream http { server ${ENDPOINTS[0]}:${HTTP_PORT}; server ${ENDPOINTS[1]}:${HTTP_PORT}; }
  upstream bulk { server ${ENDPOINTS[0]}:${BULK_PORT}; }
  server { listen ${NODE}:${HTTP_PORT} reuseport backlog=65535; proxy_pass http; }
  server { listen ${NODE}:${BULK_PORT} reuseport backlog=65535; proxy_pass bulk; }
  server { listen ${NODE}:${BULK_PORT} udp reuseport; proxy_pass bulk; }
}
`;

export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx stream',
  class: 'userspace',
  udp: true,
  sockets: true,
  async start(lane) {
    const directory = `/run/bench/${lane.name}-peer`;
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(`${directory}/nginx.conf`, config(directory));
    const daemon = new Daemon(process.env.BENCH_NGINX ?? 'nginx', ['-p', directory, '-e', `${directory}/error.log`, '-c', `${directory}/nginx.conf`], lane.node);
    await daemon.ready(lane.client, NODE, HTTP_PORT);
    return { bulk: { address: NODE, port: BULK_PORT }, http: { address: NODE, port: HTTP_PORT }, daemons: [daemon] };
  },
};
