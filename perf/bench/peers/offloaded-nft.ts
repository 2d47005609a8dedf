/**
 * vipmesh through a VIP whose service is offloaded: what the driver nft installs in a network sandbox, in the node's namespace, as
 * the agent has it: with the node's time-outs, and every flow counted. No packet comes to userspace, so there is none here.
 */
import type { OffloadService } from '../../../kernel/offload/driver.js';
import { NftDriver } from '../../../kernel/offload/nft-driver.js';
import { DEFAULT_TIMEOUTS } from '../../../proxy/config/snapshot.js';
import { BALANCER, BULK_PORT, ENDPOINTS, HTTP_PORT, VIPS } from '../topology.js';
import type { Peer } from './peer.js';

/** All that the node routes to. */
const SUBNET = '10.77.0.0/16';

const service = (mark: number, address: string, endpoints: readonly string[]): OffloadService => ({
  mark,
  address,
  scheduler: 'rr',
  affinity: 0,
  maxConnections: 0,
  endpoints: endpoints.map((endpoint) => ({ address: endpoint, port: 0, weight: 1 })),
  phase: 'take',
});

export const offloadedNft: Peer = {
  name: 'vip-nft',
  title: 'vipmesh offloaded (nft)',
  class: 'kernel',
  udp: true,
  sockets: false,
  async start(lane) {
    const { established, transitory: closing, udp } = DEFAULT_TIMEOUTS;
    const services = [service(0x100, VIPS.bulk, ENDPOINTS.slice(0, 1)), service(0x101, VIPS.http, ENDPOINTS)];
    const driver = new NftDriver(lane.node);
    await driver.set({ subnet: SUBNET, balancer: BALANCER, timeouts: { established, closing, udp }, services });
    const faults = await driver.verify();
    if (faults.length > 0) throw new Error(faults.join('; '));
    return { bulk: { address: VIPS.bulk, port: BULK_PORT }, http: { address: VIPS.http, port: HTTP_PORT }, daemons: [] };
  },
};
