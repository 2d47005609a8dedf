/**
 * The process of the peer relay, started in the node's namespace. Ends with SIGTERM.
 */
import { startRelay } from '../../../agent/relay/relay.js';
import { bindUdp, listenTcp } from '../../../kernel/netns/sockets.js';
import type { EndpointConfig } from '../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../proxy/net/addr.js';
import { connectionLimit } from '../limits.js';
import { BULK_PORT, ENDPOINTS, HTTP_PORT, NODE } from '../topology.js';

const BACKLOG = 65_535;

const endpoints: EndpointConfig[] = ENDPOINTS.map((address) => ({ id: address, address: parseIpv4(address), weight: 1 }));
const relay = await startRelay({
  limits: { maxConnections: connectionLimit() },
  onError: (error) => {
    console.error(error.message);
    process.exit(1);
  },
});
const publish = (protocol: 'tcp' | 'udp', port: number, targets: readonly EndpointConfig[]): Promise<void> => {
  const fd = protocol === 'tcp' ? listenTcp(undefined, NODE, port, BACKLOG) : bindUdp(undefined, NODE, port);
  return relay.publish({ id: `${protocol}/${port}`, protocol, service: `${port}`, scheduler: 'rr', targetPort: port, endpoints: targets }, fd);
};
await publish('tcp', BULK_PORT, endpoints.slice(0, 1));
await publish('udp', BULK_PORT, endpoints.slice(0, 1));
await publish('tcp', HTTP_PORT, endpoints);

process.on('SIGTERM', () => void relay.close().then(() => process.exit(0)));
