/**
 * No balancer: the client speaks with the first endpoint itself, and the node is a router. The ceiling of this machine.
 */
import { BULK_PORT, ENDPOINTS, HTTP_PORT } from '../topology.js';
import type { Peer } from './peer.js';

export const none: Peer = {
  name: 'none',
  title: 'no balancer',
  class: 'kernel',
  udp: true,
  sockets: false,
  start: () =>
    Promise.resolve({
      bulk: { address: ENDPOINTS[0], port: BULK_PORT },
      http: { address: ENDPOINTS[0], port: HTTP_PORT },
      daemons: [],
    }),
};
