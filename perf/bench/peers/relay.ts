/**
 * vipmesh through the relay, which serves published ports where no kernel table may be used: agent/relay in a process of its
 * own, listening in the node's namespace. Its cap on connections is raised, so that held connections fit.
 */
import { nodeDaemon } from '../process.js';
import { BULK_PORT, HTTP_PORT, NODE } from '../topology.js';
import type { Peer } from './peer.js';

export const relay: Peer = {
  name: 'relay',
  title: 'vipmesh, relay',
  class: 'userspace',
  udp: true,
  sockets: true,
  async start(lane) {
    const daemon = nodeDaemon('./peers/relay-main.js', [], lane.node);
    await daemon.ready(lane.client, NODE, HTTP_PORT);
    return { bulk: { address: NODE, port: BULK_PORT }, http: { address: NODE, port: HTTP_PORT }, daemons: [daemon] };
  },
};
