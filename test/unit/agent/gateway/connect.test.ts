/** Connections as bare descriptors: addresses of which this host has nothing, and clients that did not wait. */
import { once } from 'node:events';
import { closeSync, fstatSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { connectTcp } from '../../../../agent/gateway/connect.js';
import { StoreProxy } from '../../../../agent/gateway/store-proxy.js';
import { openSocket } from '../../../../kernel/netns/sockets.js';
import { pollUntil } from '../../../support/poll-until.js';

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino;
  } catch {
    return undefined;
  }
}

async function listening(t: ExecutionContext): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

test.serial('without a family, addresses of the other are tried; without any, that is said', async (t) => {
  const port = await listening(t);
  const none = (): never => {
    throw new Error('address family not supported');
  };
  const fd = await connectTcp('localhost', port, (protocol, family) => (family === 'ipv6' ? none() : openSocket(protocol, family)));
  t.true(fstatSync(fd).isSocket());
  closeSync(fd);
  await t.throwsAsync(connectTcp('127.0.0.1', port, none), { name: 'ConnectError', message: `127.0.0.1:${port} cannot be reached: address family not supported` });
});

test.serial('a connection to the store for a client that is gone is closed', async (t) => {
  const port = await listening(t);
  let connected: (fd: number) => void = () => undefined;
  let asked = false;
  const proxy = await StoreProxy.begin({ connectTcp: () => ((asked = true), new Promise((resolve) => (connected = resolve))) }, [`127.0.0.1:${port}`]);
  const client = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  client.write(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nhost: x\r\n\r\n`);
  await pollUntil('it is asked for', () => asked);
  client.on('error', () => undefined);
  t.teardown(() => client.destroy());
  proxy.close();
  const fd = await connectTcp('127.0.0.1', port);
  const { ino } = fstatSync(fd);
  connected(fd);
  await new Promise((resolve) => setImmediate(resolve));
  // Its number may be another's by now.
  t.not(inodeOf(fd), ino);
});
