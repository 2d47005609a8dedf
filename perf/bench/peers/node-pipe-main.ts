/**
 * The process of the peer node-pipe, started in the node's namespace.
 */
import net from 'node:net';
import { BULK_PORT, ENDPOINTS, HTTP_PORT, NODE } from '../topology.js';

const BACKLOG = 65_535;

function serve(port: number, endpoints: readonly string[]): void {
  let turn = 0;
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const endpoint = net.connect({ host: endpoints[turn++ % endpoints.length] ?? '', port, allowHalfOpen: true, noDelay: true });
    client.on('error', () => endpoint.destroy());
    endpoint.on('error', () => client.destroy());
    client.pipe(endpoint).pipe(client);
  });
  server.listen({ port, host: NODE, backlog: BACKLOG });
}

serve(BULK_PORT, ENDPOINTS.slice(0, 1));
serve(HTTP_PORT, ENDPOINTS);
