/**
 * A plain pipe of two `net` sockets per connection, as anyone would write it first: the stand-in for docker-proxy, which does
 * the same in Go.
 */
import { nodeDaemon } from '../process.js';
import { BULK_PORT, HTTP_PORT, NODE } from '../topology.js';
import type { Peer } from './peer.js';

export const nodePipe: Peer = {
  name: 'node-pipe',
  title: 'Node net pipe',
  class: 'userspace',
  udp: false,
  sockets: true,
  async start(lane) {
    const daemon = nodeDaemon('./peers/node-pipe-main.js', [], lane.node);
    await daemon.ready(lane.client, NODE, HTTP_PORT);
    return { bulk: { address: NODE, port: BULK_PORT }, http: { address: NODE, port: HTTP_PORT }, daemons: [daemon] };
  },
};
