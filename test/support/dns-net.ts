/**
 * DNS over real sockets for tests: clients, an upstream resolver on loopback, sockets for a name server, and `dig`.
 */
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { execFile } from 'node:child_process';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { bindUdp, listenTcp } from '../../kernel/netns/sockets.js';
import { MessageSplitter } from '../../overlay/dns/stream.js';
import type { DnsProtocol } from '../../overlay/dns/record.js';
import { u16 } from './dns.js';

/** One query and its response; undefined when none came in time. */
export async function exchange(port: number, query: Buffer, protocol: DnsProtocol, timeout = 30_000): Promise<Buffer | undefined> {
  return protocol === 'udp' ? exchangeUdp(port, query, timeout) : (await exchangeTcp(port, [query], 1, timeout))[0];
}

async function exchangeUdp(port: number, query: Buffer, timeout: number): Promise<Buffer | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const answer = once(socket, 'message', { signal: AbortSignal.timeout(timeout) }) as Promise<[Buffer]>;
    socket.send(query);
    return (await answer)[0];
  } catch {
    return undefined;
  } finally {
    socket.close();
  }
}

/** Sends all queries in one go over one connection and waits for `count` responses, in the order in which they come. */
export async function exchangeTcp(port: number, queries: readonly Buffer[], count: number, timeout = 30_000): Promise<Buffer[]> {
  const socket = connect(port, '127.0.0.1');
  const responses: Buffer[] = [];
  const splitter = new MessageSplitter();
  try {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeout);
      socket.on('close', () => {
        clearTimeout(timer);
        resolve();
      });
      socket.on('error', () => resolve());
      socket.on('data', (chunk) => {
        responses.push(...splitter.push(chunk));
        if (responses.length >= count) {
          clearTimeout(timer);
          resolve();
        }
      });
      socket.write(Buffer.concat(queries.map(framed)));
    });
  } finally {
    socket.destroy();
  }
  return responses;
}

export function framed(message: Buffer): Buffer {
  return Buffer.concat([u16(message.length), message]);
}

export interface Upstream {
  readonly port: number;
  readonly seen: { query: Buffer; protocol: DnsProtocol }[];
  close(): Promise<void>;
}

/** A resolver on loopback, UDP and TCP on one port, 0 for any. `answer` gives the response, or undefined for silence. */
export async function startUpstream(answer: (query: Buffer, protocol: DnsProtocol) => Buffer | undefined, address = '127.0.0.1', atPort = 0): Promise<Upstream> {
  const seen: Upstream['seen'] = [];
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    const splitter = new MessageSplitter();
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      for (const query of splitter.push(chunk)) {
        seen.push({ query, protocol: 'tcp' });
        const response = answer(query, 'tcp');
        if (response) socket.write(framed(response));
      }
    });
  });
  const onQuery = function (this: DatagramSocket, query: Buffer, client: RemoteInfo): void {
    seen.push({ query, protocol: 'udp' });
    const response = answer(query, 'udp');
    if (response) this.send(response, client.port, client.address);
  };
  const udp = await listenOnBoth(tcp, onQuery, address, atPort);
  const { port } = udp.address();
  return {
    port,
    seen,
    async close() {
      for (const connection of connections) connection.destroy();
      await Promise.all([new Promise((resolve) => tcp.close(resolve)), new Promise<void>((resolve) => udp.close(() => resolve()))]);
    },
  };
}

type OnMessage = (this: DatagramSocket, message: Buffer, from: RemoteInfo) => void;

/** Resolves with the UDP socket when both listen. A port that was free for the one may be another process's for the other. */
async function listenOnBoth(tcp: Server, onMessage: OnMessage, address: string, atPort: number): Promise<DatagramSocket> {
  for (let attempt = 0; ; attempt++) {
    tcp.listen(atPort, address);
    await once(tcp, 'listening');
    const udp = createSocket('udp4', onMessage);
    try {
      udp.bind((tcp.address() as AddressInfo).port, address);
      await once(udp, 'listening');
      return udp;
    } catch (error) {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
      if (atPort !== 0 || attempt === 20) throw error;
    }
  }
}

/** A UDP and a TCP socket on the same free port of loopback, as the agent makes them in a sandbox. */
export async function boundPair(): Promise<{ port: number; udpFd: number; tcpFd: number }> {
  for (let attempt = 0; ; attempt++) {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    let udpFd: number | undefined;
    try {
      udpFd = bindUdp(undefined, '127.0.0.1', port);
      return { port, udpFd, tcpFd: listenTcp(undefined, '127.0.0.1', port) };
    } catch (error) {
      // Another process took it in between.
      if (udpFd !== undefined) fs.closeSync(udpFd);
      if (attempt === 20) throw error;
    }
  }
}

/** Runs dig against 127.0.0.1 and answers what it prints. */
export async function dig(port: number, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('dig', ['@127.0.0.1', '-p', `${port}`, '+time=5', '+tries=1', '+nocookie', ...args]);
  return stdout;
}
