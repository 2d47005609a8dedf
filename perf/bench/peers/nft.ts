/**
 * The kernel's own balancer by nftables: DNAT to the endpoints in turn, and masquerading, because our balancer too puts its own
 * address in the place of the client's. Only the first packet of a connection sees the rules; the others go by conntrack.
 */
import { run } from '../../../kernel/run/runner.js';
import { BULK_PORT, ENDPOINTS, HOLD_PORT, HTTP_PORT, NODE } from '../topology.js';
import type { Peer } from './peer.js';

const RULES = `
table ip bench {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr ${NODE} tcp dport { ${HTTP_PORT}, ${HOLD_PORT} } dnat to numgen inc mod 2 map { 0 : ${ENDPOINTS[0]}, 1 : ${ENDPOINTS[1]} }
    ip daddr ${NODE} meta l4proto { tcp, udp } th dport ${BULK_PORT} dnat to ${ENDPOINTS[0]}
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    ip daddr { ${ENDPOINTS.join(', ')} } masquerade
  }
}
`;

export const nft: Peer = {
  name: 'nft',
  title: 'nftables DNAT',
  class: 'kernel',
  udp: true,
  sockets: false,
  async start(lane) {
    await run('nft', ['-f', '-'], { netns: lane.node, input: RULES });
    if (!(await run('nft', ['list', 'ruleset'], { netns: lane.node })).includes('numgen')) throw new Error('nft took the rules but has none: is it the nft of nftables?');
    return { bulk: { address: NODE, port: BULK_PORT }, http: { address: NODE, port: HTTP_PORT }, daemons: [] };
  },
};
