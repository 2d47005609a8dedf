/**
 * Sockets bound in a given network namespace, as descriptors for `net.Server.listen({fd})` and `dgram` `bind({fd})`.
 * A socket keeps the namespace it was made in.
 */
import fs from 'node:fs';
import {
  AF_INET,
  AF_INET6,
  EINPROGRESS,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../ffi/constants.js';
import { bind, connect, listen, setsockopt, socket, SystemError } from '../ffi/libc.js';
import { sockaddrIn, sockaddrIn6 } from '../ffi/structs.js';
import type { Namespace } from './netns.js';

/** What the kernel caps at net.core.somaxconn, which is this by default: thousands of clients may come at once, or while nobody accepts. */
const BACKLOG = 4096;

/**
 * A listening TCP socket. `address` is IPv4 or IPv6; `::` takes IPv4 connections too. Port 0 takes any.
 * Throws SystemError: EADDRINUSE, EADDRNOTAVAIL, EACCES (below net.ipv4.ip_unprivileged_port_start).
 */
export function listenTcp(namespace: Namespace | undefined, address: string, port: number, backlog = BACKLOG): number {
  return inside(namespace, () => {
    const fd = bound(SOCK_STREAM, address, port);
    try {
      listen(fd, backlog, endpoint(address, port));
    } catch (error) {
      fs.closeSync(fd);
      throw error;
    }
    return fd;
  });
}

/** A bound UDP socket; errors as listenTcp. */
export function bindUdp(namespace: Namespace | undefined, address: string, port: number): number {
  return inside(namespace, () => bound(SOCK_DGRAM, address, port));
}

/** An unbound socket in this thread's own namespace, that does not block. */
export function openSocket(protocol: 'tcp' | 'udp', family: 'ipv4' | 'ipv6'): number {
  return socket(family === 'ipv6' ? AF_INET6 : AF_INET, (protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/** Begins to connect a socket that does not block: it is writable when that has come to an end, whichever. Throws SystemError (ENETUNREACH, …). */
export function beginConnect(fd: number, address: string, port: number): void {
  const result = connect(fd, address.includes(':') ? sockaddrIn6(address, port) : sockaddrIn(address, port));
  if (result < 0 && result !== -EINPROGRESS) throw new SystemError('connect', -result, endpoint(address, port));
}

function inside<T>(namespace: Namespace | undefined, fn: () => T): T {
  return namespace ? namespace.within(fn) : fn();
}

function bound(type: number, address: string, port: number): number {
  const v6 = address.includes(':');
  const sockaddr = v6 ? sockaddrIn6(address, port) : sockaddrIn(address, port);
  const fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC);
  try {
    // Only TCP: for UDP it would let two sockets share a port, and the later one take all.
    if (type === SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, address === '::' ? 0 : 1);
    bind(fd, sockaddr, endpoint(address, port));
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return fd;
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
