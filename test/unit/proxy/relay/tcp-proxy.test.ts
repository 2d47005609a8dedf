/** The header of the PROXY protocol on real connections: first, once, and whether or not the client says something. */
import { once } from 'node:events';
import test from 'ava';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { listenTcp } from '../../../../kernel/netns/sockets.js';
import { proxyHeader } from '../../../../proxy/relay/proxy-protocol.js';
import { pollUntil } from '../../../support/poll-until.js';
import { skipWithout } from '../../../support/capability.js';
import type { Client} from './harness.js';
import { endpoint, portOf, Rig } from './harness.js';

const A = '127.0.0.2';
const B = '127.0.0.3';

/** Publishes on `address` for endpoints on A and B; answers the port. */
async function publish(rig: Rig, targetPort: number, address: string, hosts = [A]): Promise<number> {
  const fd = listenTcp(undefined, address, 0);
  const port = portOf(fd, address.includes(':') ? 'tcp6' : 'tcp');
  await rig.core.handle({ kind: 'publish', port: { id: 'tcp', protocol: 'tcp', service: 'vote', scheduler: 'rr', targetPort, proxyProtocol: 'v2', endpoints: hosts.map((host) => endpoint(host)) }, fd });
  return port;
}

function headerOf(socket: Client['socket']): Buffer {
  const { address = '', port = 0 } = socket.address() as AddressInfo;
  return proxyHeader({ address, port }, { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 });
}

test('an endpoint that speaks first is told of a client that says nothing; what the client says comes after it', async (t) => {
  const rig = new Rig(t);
  let got = Buffer.alloc(0);
  const target = await rig.serve(A, 0, (socket) => socket.on('data', (chunk) => {
    const first = got.length === 0;
    got = Buffer.concat([got, chunk]);
    if (first) socket.write('220 ready\n');
  }));
  const client = rig.client(await publish(rig, target, '127.0.0.1'));
  await client.until('220 ready\n');
  const header = headerOf(client.socket);
  t.is(header.length, 28);
  t.deepEqual(got, header);
  client.socket.write('HELO\n');
  await pollUntil('the rest has come', () => got.length > header.length);
  t.deepEqual(got, Buffer.concat([header, Buffer.from('HELO\n')]));
});

test('the endpoint that takes the connection has it, and only once, when another has refused', async (t) => {
  const rig = new Rig(t);
  let got = Buffer.alloc(0);
  const target = await rig.serve(B, 0, (socket) => socket.on('data', (chunk) => (got = Buffer.concat([got, chunk]))).on('end', () => socket.end('seen')));
  const port = await publish(rig, target, '127.0.0.1', [A, B]);
  for (let i = 0; i < 2; i++) {
    got = Buffer.alloc(0);
    const client = rig.client(port);
    await once(client.socket, 'connect');
    const header = headerOf(client.socket);
    client.socket.end('early');
    await client.until('seen');
    t.deepEqual(got, Buffer.concat([header, Buffer.from('early')]));
  }
  t.true((await rig.counter('relay_tcp_connect_failures')) > 0);
});

test('a client of IPv6', async (t) => {
  if (skipWithout(t, 'ipv6')) return;
  const rig = new Rig(t);
  let got = Buffer.alloc(0);
  const target = await rig.serve(A, 0, (socket) => socket.on('data', (chunk) => (got = Buffer.concat([got, chunk]))));
  const socket = connect(await publish(rig, target, '::1'), '::1');
  t.teardown(() => socket.destroy());
  await pollUntil('the header has come', () => got.length > 0);
  t.is(got.length, 52);
  t.deepEqual(got, headerOf(socket));
});
