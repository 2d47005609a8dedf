/**
 * HAProxy in TCP mode, with one thread and with one for each core, with and without splice.
 *
 * Splice moves payload from socket to socket inside the kernel, by a pipe, without a copy; `option splice-auto` lets HAProxy
 * decide by its own heuristics, while splice-request and splice-response force it, which is faster for bulk. Memory for
 * many connections: 16 KiB buffers are taken only while there is data. Timeouts are long, so that held connections stay.
 */
import fs from 'node:fs';
import { connectionLimit } from '../limits.js';
import { Daemon } from '../process.js';
import { BULK_PORT, ENDPOINTS, HTTP_PORT, NODE } from '../topology.js';
import type { Peer } from './peer.js';

/** Two descriptors each. A connection that finds none left is copied. */
const PIPES = 1024;

const config = (threads: string, splice: boolean): string => `
global
  ${threads}
  maxconn ${connectionLimit() - PIPES}
  maxpipes ${splice ? PIPES : 0}
  tune.pipesize 1048576
defaults
  mode tcp
  timeout connect 5s
  timeout client 2h
  timeout server 2h
  maxconn ${connectionLimit() - PIPES}
  balance roundrobin
  ${splice ? 'option splice-request\n  option splice-response' : '# payload is copied'}
listen http
  bind ${NODE}:${HTTP_PORT} backlog 65535
  server e1 ${ENDPOINTS[0]}:${HTTP_PORT}
  server e2 ${ENDPOINTS[1]}:${HTTP_PORT}
listen bulk
  bind ${NODE}:${BULK_PORT} backlog 65535
  server e1 ${ENDPOINTS[0]}:${BULK_PORT}
`;

function haproxy(name: string, title: string, allThreads: boolean, splice: boolean, extra: boolean): Peer {
  return {
    name,
    title,
    class: 'userspace',
    udp: false,
    sockets: true,
    extra,
    async start(lane) {
      const directory = `/run/bench/${lane.name}-peer`;
      fs.mkdirSync(directory, { recursive: true });
      // Without nbthread HAProxy takes as many threads as there are cores.
      fs.writeFileSync(`${directory}/haproxy.cfg`, config(allThreads ? '# nbthread: all cores' : 'nbthread 1', splice));
      const daemon = new Daemon(process.env.BENCH_HAPROXY ?? 'haproxy', ['-db', '-f', `${directory}/haproxy.cfg`], lane.node);
      await daemon.ready(lane.client, NODE, HTTP_PORT);
      return { bulk: { address: NODE, port: BULK_PORT }, http: { address: NODE, port: HTTP_PORT }, daemons: [daemon] };
    },
  };
}

export const haproxies: readonly Peer[] = [
  haproxy('haproxy', 'HAProxy, all threads', true, false, false),
  haproxy('haproxy-1', 'HAProxy, 1 thread', false, false, true),
  haproxy('haproxy-splice', 'HAProxy, all threads, splice', true, true, true),
  haproxy('haproxy-1-splice', 'HAProxy, 1 thread, splice', false, true, false),
];
