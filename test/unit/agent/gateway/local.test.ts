import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import { explainListenError } from '../../../../agent/gateway/listen-error.js';
import { LocalGateway } from '../../../../agent/gateway/local.js';
import { portOf } from '../../proxy/relay/harness.js';

const gateway = new LocalGateway();

test('a TCP port that another has is an error that names it and how to find who', async (t) => {
  for (const host of ['0.0.0.0', '::', '127.0.0.1']) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const pattern = new RegExp(`port ${port}/tcp.* in use: .*ss -lntp 'sport = :${port}'`);
    await t.throwsAsync(gateway.listenTcp(undefined, port), { name: 'ListenError', message: pattern }, host);
    await t.throwsAsync(gateway.listenTcp('127.0.0.1', port), { name: 'ListenError', message: pattern }, host);
  }
});

test('a UDP port that another has is an error, even if the other would share it', async (t) => {
  const socket = createSocket({ type: 'udp4', reuseAddr: true }).bind(0);
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  const { port } = socket.address();
  await t.throwsAsync(gateway.bindUdp(undefined, port), { name: 'ListenError', message: new RegExp(`port ${port}/udp .*ss -lnup`) });
  await t.throwsAsync(gateway.bindUdp('127.0.0.1', port), { name: 'ListenError' });
});

test('all addresses means IPv4 and IPv6', async (t) => {
  const fd = await gateway.listenTcp(undefined, 0);
  t.true(portOf(fd, 'tcp6') > 0);
  const server = createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const same = await gateway.listenTcp(undefined, port);
  await t.throwsAsync(gateway.listenTcp('127.0.0.1', port), { name: 'ListenError' });
  await t.throwsAsync(gateway.listenTcp('::1', port), { name: 'ListenError' });
  closeSync(same);
  closeSync(fd);
});

test('an address that this host has not', async (t) => {
  await t.throwsAsync(gateway.listenTcp('203.0.113.7', 8080), { name: 'ListenError', message: /203\.0\.113\.7 is not an address of this host/ });
  await t.throwsAsync(gateway.bindUdp('203.0.113.7', 8080), { name: 'ListenError' });
  await t.throwsAsync(gateway.listenTcp('localhost', 8080), { name: 'ListenError', message: /'localhost' is not an IP address/ });
});

test('a port that only root may have', (t) => {
  const error = Object.assign(new Error('bind(0.0.0.0:80): EACCES: permission denied'), { code: 'EACCES' });
  const { name, message } = explainListenError({ protocol: 'tcp', address: undefined, port: 80 }, error, 1024);
  t.is(name, 'ListenError');
  t.regex(message, /port 80\/tcp is not allowed: below 1024 .*sysctl -w net\.ipv4\.ip_unprivileged_port_start=80/);
});

test('any other cause is told as it is', (t) => {
  const error = Object.assign(new Error('socket(family 2): EMFILE: too many open files'), { code: 'EMFILE' });
  t.regex(explainListenError({ protocol: 'udp', address: '127.0.0.1', port: 53 }, error, 1024).message, /53\/udp of 127\.0\.0\.1 .*EMFILE/);
});

test('the MTU is one that a link can have', async (t) => {
  const mtu = await gateway.underlayMtu();
  t.true(mtu >= 576 && mtu <= 65_535, `${mtu}`);
});
