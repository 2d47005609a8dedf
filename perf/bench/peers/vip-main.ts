/**
 * The process of the peer vip: `node vip-main.js NAMESPACE-DIRECTORY NAMESPACE PACKET-IO`. Ends with SIGTERM.
 */
import type { PacketIoChoice } from '../../../agent/dataplane/packet-io.js';
import { startDataplane } from '../../../agent/dataplane/start.js';
import { TX_QUEUE } from '../../../agent/sandbox/network-plan.js';
import { ipBatch } from '../../../kernel/netns/links.js';
import { openNamespace } from '../../../kernel/netns/netns.js';
import { openTun } from '../../../kernel/tun/tun.js';
import type { EndpointConfig, ServiceConfig } from '../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../proxy/net/addr.js';
import { BALANCER, ENDPOINTS, VIPS } from '../topology.js';

const NETWORK = 0;
const MTU = 1500;

const [, , directory = '', name = '', packetIo = 'auto'] = process.argv;
const node = openNamespace(directory, name);
const dataplane = await startDataplane({
  packetIo: packetIo as PacketIoChoice,
  onError: (error) => {
    console.error(error.message);
    process.exit(1);
  },
});
const devices = openTun(node, { name: 'vip0', mtu: MTU, queues: dataplane.workers });
// As a network sandbox has it: with the shorter queue of a TUN, packets of many connections at once would be lost that are not there.
await ipBatch(node, [`link set vip0 txqueuelen ${TX_QUEUE}`, ...[...Object.values(VIPS), BALANCER].map((address) => `route add ${address}/32 dev vip0`)]);
await dataplane.attach(
  NETWORK,
  devices.map(({ fd }) => fd),
);

const endpoints: EndpointConfig[] = ENDPOINTS.map((address) => ({ id: address, address: parseIpv4(address), weight: 1 }));
const service = (id: string, vip: string, targets: readonly EndpointConfig[]): ServiceConfig => ({
  id,
  name: id,
  vip: parseIpv4(vip),
  scheduler: 'rr',
  endpoints: targets,
});
const services = [service('bulk', VIPS.bulk, endpoints.slice(0, 1)), service('http', VIPS.http, endpoints)];
await dataplane.apply({ epoch: 1, networks: [{ index: NETWORK, id: 'bench', name: 'bench', balancer: parseIpv4(BALANCER), mtu: MTU, services }] });

// An orderly end, so that a profile (--cpu-prof) is written.
process.on('SIGTERM', () => void dataplane.close().then(() => process.exit(0)));
