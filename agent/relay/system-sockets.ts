/**
 * The stream sockets of the relay, by the system calls of kernel/. They are made in the network namespace of the thread that asks.
 */
import { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLOUT, EPOLLRDHUP, IPPROTO_TCP, SO_KEEPALIVE, SOL_SOCKET, TCP_KEEPIDLE, TCP_NODELAY } from '../../kernel/ffi/constants.js';
import * as calls from '../../kernel/ffi/stream-calls.js';
import { formatIpv4 } from '../../proxy/net/addr.js';
import { formatIpv6, type Ipv6 } from '../../proxy/net/addr6.js';
import type { Address } from '../../proxy/relay/proxy-protocol.js';
import { EINPROGRESS, type Pipe, type StreamSockets } from '../../proxy/relay/sockets.js';

/** Events that one wait brings at most. */
const EVENTS = 512;
/** Bytes of a pipe. What one user's pipes may hold together is 64 MiB by default; one beyond that holds less (pipe(7)). */
const PIPE_BYTES = 512 * 1024;
/** Seconds of silence until TCP asks whether the other side still lives. Finds a dead peer; one that lives may be silent for as long as the service allows. */
const KEEPALIVE_SECONDS = 300;

export class SystemSockets implements StreamSockets {
  /** Made when it is needed: the thread for UDP waits in Node's event loop. */
  #made: calls.Epoll | undefined;

  watch(fd: number, token: number): number {
    return this.#epoll.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, token);
  }

  watchInput(fd: number, token: number, shared: boolean): number {
    return this.#epoll.add(fd, shared ? EPOLLIN | EPOLLERR | EPOLLEXCLUSIVE : EPOLLIN, token);
  }

  unwatch(fd: number): void {
    this.#epoll.remove(fd);
  }

  wait(timeout: number): number {
    return this.#epoll.wait(timeout);
  }

  readyFor(index: number): number {
    return this.#epoll.events(index);
  }

  token(index: number): number {
    return this.#epoll.token(index);
  }

  accept(listener: number): number {
    return calls.accept(listener);
  }

  acceptedFrom(): Address {
    return addressOf(calls.acceptedFrom());
  }

  local(fd: number): Address | undefined {
    const name = calls.socketName(fd, 'local');
    return name && addressOf(name);
  }

  connect(address: number, port: number): number {
    const fd = calls.streamSocket();
    if (fd < 0) return fd;
    prepare(fd);
    const result = calls.connectTo(fd, address, port);
    if (result >= 0 || result === -EINPROGRESS) return fd;
    calls.closeFd(fd);
    return result;
  }

  takeError(fd: number): number {
    return calls.takeError(fd);
  }

  prepareListener(fd: number): void {
    // A connection has what its listener had (sk_clone_lock, net/core/sock.c).
    prepare(fd);
  }

  read(fd: number, buffer: Uint8Array, length: number): number {
    return calls.readBytes(fd, buffer, length);
  }

  write(fd: number, buffer: Uint8Array, length: number): number {
    return calls.writeBytes(fd, buffer, length);
  }

  splice(from: number, to: number, length: number): number {
    return calls.splice(from, to, length);
  }

  makePipe(): Pipe | undefined {
    return calls.makePipe(PIPE_BYTES);
  }

  finish(fd: number): number {
    return calls.finish(fd);
  }

  close(fd: number): void {
    calls.closeFd(fd);
  }

  reset(fd: number): void {
    calls.resetAndClose(fd);
  }

  spare(): number {
    return calls.streamSocket();
  }

  /** Lets go of what the wait itself needs. */
  end(): void {
    this.#made?.close();
    this.#made = undefined;
  }

  get #epoll(): calls.Epoll {
    return (this.#made ??= new calls.Epoll(EVENTS));
  }
}

function prepare(fd: number): void {
  calls.setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  calls.setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  calls.setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_SECONDS);
}

function addressOf({ address, port }: calls.SocketName): Address {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  if (address.length === 4) return { address: formatIpv4(view.getInt32(0)), port };
  const words = [0, 4, 8, 12].map((at) => view.getInt32(at)) as unknown as Ipv6;
  // ::ffff:192.0.2.1, a client of IPv4 on a dual-stack socket (RFC 4291 section 2.5.5.2).
  const isMapped = words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
  return { address: isMapped ? formatIpv4(words[3]) : formatIpv6(words), port };
}
