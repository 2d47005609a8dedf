/**
 * vipmesh through a VIP: the data plane of agent/dataplane in a process of its own, on a TUN in the node's namespace, with the
 * agent's defaults (workers by cores, 262,144 flows). VIPs and balancer address are routed to the TUN, as in a network sandbox.
 */
import type { PacketIoChoice } from '../../../agent/dataplane/packet-io.js';
import { nodeDaemon } from '../process.js';
import { BULK_PORT, HTTP_PORT, NAMESPACES, VIPS } from '../topology.js';
import type { Peer } from './peer.js';

const peer = (name: string, title: string, packetIo: PacketIoChoice): Peer => ({
  name,
  title,
  class: 'userspace',
  udp: true,
  sockets: false,
  async start(lane) {
    const daemon = nodeDaemon('./peers/vip-main.js', [NAMESPACES, lane.node.name, packetIo], lane.node);
    await daemon.ready(lane.client, VIPS.http, HTTP_PORT);
    return { bulk: { address: VIPS.bulk, port: BULK_PORT }, http: { address: VIPS.http, port: HTTP_PORT }, daemons: [daemon] };
  },
});

export const vip = peer('vip', 'vipmesh, VIP', 'auto');
/** As where io_uring is forbidden or too old. */
export const vipPoll = peer('vip-poll', 'vipmesh, VIP, poll', 'poll');
