/**
 * Socket descriptors on their way through Node's IPC.
 *
 * Node passes sockets between processes as objects (net.Socket, dgram.Socket), which own their descriptor, close it with
 * themselves and read from it. We want the bare descriptor. It is found through /proc/self/fd by the socket's inode, which
 * is the same in every process, and duplicated; the object is then thrown away before the event loop turns, so it never
 * gets to read from, or accept on, a socket that is not its own.
 */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { readdirSync, readlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { duplicate } from '../../kernel/ffi/libc.js';
import { socketFamily } from '../../kernel/netns/socket-info.js';
import { GatewayError } from './protocol.js';

const DESCRIPTORS = '/proc/self/fd';

/** `socket:[4711]`. */
export function inodeOf(fd: number): string {
  return readlinkSync(`${DESCRIPTORS}/${fd}`);
}

/** An object that Node can send and that owns `fd`; the caller destroys it. Nothing is read or accepted on this side. */
export function wrapListener(fd: number): Socket {
  // Not net.Server: listen({fd}) would begin to accept here. A net.Socket that neither reads nor writes only holds it.
  return new Socket({ fd, readable: false, writable: false });
}

/**
 * An object that Node can send and that owns `fd`; the caller closes it. It reads what arrives until then: datagrams to a
 * port that nobody serves yet, lost as they would be a moment earlier.
 */
export function wrapDatagram(fd: number): DatagramSocket {
  const socket = createSocket(socketFamily(fd) === 'ipv6' ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  return socket.bind({ fd });
}

/** Takes the descriptor out of an object that came over IPC, and destroys the object. Synchronous, see above. */
export function unwrap(handle: unknown, inode: string): number {
  try {
    return duplicate(findDescriptor(inode));
  } finally {
    discard(handle);
  }
}

/** Destroys an object that came over IPC, whatever it is. */
export function discard(handle: unknown): void {
  if (handle instanceof Socket) handle.on('error', () => undefined).destroy();
  else if (isDatagramSocket(handle)) handle.close();
}

function findDescriptor(inode: string): number {
  for (const name of readdirSync(DESCRIPTORS)) {
    try {
      if (readlinkSync(`${DESCRIPTORS}/${name}`) === inode) return Number(name);
    } catch {
      // readdir's own descriptor, closed by now.
    }
  }
  throw new GatewayError(`gateway: the outer process sent ${inode}, which did not arrive: see the limit on open files (ulimit -n)`);
}

function isDatagramSocket(handle: unknown): handle is DatagramSocket {
  return typeof handle === 'object' && handle !== null && typeof (handle as { close?: unknown }).close === 'function';
}
