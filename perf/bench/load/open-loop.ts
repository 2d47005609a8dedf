/**
 * Latency at a fixed rate, open loop: request n is due at start + n / rate, whatever became of those before it, and its
 * latency counts from when it was due, not from when it could be sent. A closed loop would send less while the peer stands
 * still and so leave the bad moments out (coordinated omission).
 *
 * A request that is due goes out on a free connection; when none is free it waits in the order of arrival, and the waiting is
 * part of its latency. What has no answer when the time is over counts as failed, and with the time that it has waited.
 */
import fs from 'node:fs';
import { EAGAIN } from '../../../proxy/device/device.js';
import { POLLIN, POLLOUT } from '../../../kernel/ffi/constants.js';
import { read, write } from '../../../kernel/ffi/libc.js';
import { socketError } from '../../../kernel/netns/socket-info.js';
import { type Dialer, KEEP_ALIVE, LoadError, responseLength } from './client.js';
import { Poller } from './poller.js';

export interface OpenLoopOptions {
  readonly connections: number;
  /** Requests per second. */
  readonly rate: number;
  readonly seconds: number;
}

export interface OpenLoopResult {
  /** Milliseconds, in no order. */
  readonly latencies: Float64Array;
  readonly failed: number;
}

/** After the last request was due. */
const GRACE_MS = 1000;
const CONNECT_MS = 5000;

/** Keep-alive connections that have each had one answer. */
export class ConnectionPool {
  readonly fds: Int32Array;
  readonly #buffer = new Uint8Array(65_536);
  /** Bytes of a response: the same for all, since the server sends the same. */
  responseBytes = 0;

  private constructor(readonly size: number) {
    this.fds = new Int32Array(size).fill(-1);
  }

  /** Throws LoadError when they are not all there in time. At most `batch` are under way at once. */
  static open(dialer: Dialer, size: number, batch = 256, timeout = CONNECT_MS): ConnectionPool {
    const pool = new ConnectionPool(size);
    const poller = new Poller(Math.min(batch, size));
    const member = new Int32Array(poller.capacity).fill(-1);
    const deadline = performance.now() + timeout;
    let opened = 0;
    for (let complete = 0; complete < size; ) {
      for (let position = 0; position < poller.capacity && opened < size; position++) {
        if (member[position] !== -1) continue;
        const fd = dialer.dial();
        member[position] = opened;
        pool.fds[opened++] = fd;
        poller.watch(position, fd, POLLOUT);
      }
      if (performance.now() > deadline) throw new LoadError(`${complete} of ${size} connections within ${timeout} ms`);
      if (poller.wait(100) <= 0) continue;
      for (let position = 0; position < poller.capacity; position++) {
        const ready = poller.ready(position);
        if (ready === 0) continue;
        const fd = pool.fds[member[position] ?? 0] ?? -1;
        if ((ready & POLLOUT) !== 0) {
          pool.#begin(fd);
          poller.watch(position, fd, POLLIN);
        } else if (pool.#answered(fd)) {
          complete++;
          member[position] = -1;
          poller.clear(position);
        }
      }
    }
    return pool;
  }

  #begin(fd: number): void {
    const error = socketError(fd);
    if (error !== 0) throw new LoadError(`connection refused or lost: errno ${error}`);
    if (write(fd, KEEP_ALIVE, KEEP_ALIVE.length) !== KEEP_ALIVE.length) throw new LoadError('a request could not be written');
  }

  /** The response is small and comes in one piece, or is taken as one piece with what follows. */
  #answered(fd: number): boolean {
    const length = read(fd, this.#buffer, this.#buffer.length);
    if (length === -EAGAIN) return false;
    if (length <= 0) throw new LoadError(`connection ended before its first answer (${length})`);
    const whole = responseLength(this.#buffer, length);
    if (whole !== length) throw new LoadError(`a response of ${whole} bytes came in pieces`);
    this.responseBytes = whole;
    return true;
  }

  close(): void {
    for (const [index, fd] of this.fds.entries()) {
      if (fd >= 0) fs.closeSync(fd);
      this.fds[index] = -1;
    }
  }
}

export function openLoop(pool: ConnectionPool, options: OpenLoopOptions): OpenLoopResult {
  const connections = Math.min(options.connections, pool.size);
  const total = Math.round(options.rate * options.seconds);
  const interval = 1000 / options.rate;
  const latencies = new Float64Array(total);
  const poller = new Poller(connections);
  const buffer = new Uint8Array(65_536);
  const received = new Int32Array(connections);
  const dueAt = new Float64Array(connections);
  const free = new Int32Array(connections);
  let freeCount = 0;
  for (let position = 0; position < connections; position++) {
    poller.watch(position, pool.fds[position] ?? -1, POLLIN);
    free[freeCount++] = position;
  }
  const begin = performance.now() + 1;
  const deadline = begin + options.seconds * 1000 + GRACE_MS;
  let sent = 0;
  let done = 0;
  let now = begin;
  while (done < total && now < deadline) {
    now = performance.now();
    while (sent < total && freeCount > 0 && begin + sent * interval <= now) {
      const position = free[--freeCount] ?? 0;
      dueAt[position] = begin + sent * interval;
      if (write(pool.fds[position] ?? -1, KEEP_ALIVE, KEEP_ALIVE.length) !== KEEP_ALIVE.length) throw new LoadError('a request could not be written');
      sent++;
    }
    // With no connection free there is nothing to be sent, however late it is.
    const wake = sent < total && freeCount > 0 ? begin + sent * interval : deadline;
    if (poller.wait(wake - performance.now()) <= 0) continue;
    now = performance.now();
    for (let position = 0; position < connections; position++) {
      if (poller.ready(position) === 0) continue;
      const length = read(pool.fds[position] ?? -1, buffer, buffer.length);
      if (length === -EAGAIN) continue;
      if (length <= 0) throw new LoadError(`a connection ended in the measurement (${length})`);
      received[position] = (received[position] ?? 0) + length;
      if ((received[position] ?? 0) < pool.responseBytes) continue;
      received[position] = 0;
      latencies[done++] = now - (dueAt[position] ?? now);
      free[freeCount++] = position;
    }
  }
  const failed = total - done;
  // What has no answer counts with the time that it has waited: requests under way first, then those that were never sent.
  const idle = new Set(free.subarray(0, freeCount));
  for (let position = 0; position < connections; position++) {
    if (!idle.has(position)) latencies[done++] = now - (dueAt[position] ?? now);
  }
  for (; sent < total; sent++) latencies[done++] = Math.max(now - (begin + sent * interval), 0);
  return { latencies, failed };
}
