/**
 * New connections per second, closed loop: each of `concurrency` places connects, sends one request, reads until the server
 * closes, closes, and begins again. The server closes first, so TIME_WAIT is on the server's side, as with most real ones.
 */
import fs from 'node:fs';
import { EAGAIN } from '../../../proxy/device/device.js';
import { POLLIN, POLLOUT } from '../../../kernel/ffi/constants.js';
import { read, write } from '../../../kernel/ffi/libc.js';
import { socketError } from '../../../kernel/netns/socket-info.js';
import { CLOSE, type Dialer, responseLength } from './client.js';
import { Poller } from './poller.js';

export interface NewConnectionsOptions {
  readonly concurrency: number;
  readonly seconds: number;
  /** Ends early after so many, so that source ports do not come round into TIME_WAIT. */
  readonly most: number;
}

export interface NewConnectionsResult {
  /** Milliseconds from connect(2) to the end of the answer, of each that succeeded. */
  readonly latencies: Float64Array;
  /** Refused, reset, or ended without a whole answer. */
  readonly failed: number;
  /** Those that were still open at the end count neither way. */
  readonly seconds: number;
}

export function newConnections(dialer: Dialer, options: NewConnectionsOptions): NewConnectionsResult {
  const { concurrency, most } = options;
  const poller = new Poller(concurrency);
  const buffer = new Uint8Array(65_536);
  const fds = new Int32Array(concurrency);
  const beganAt = new Float64Array(concurrency);
  const whole = new Uint8Array(concurrency);
  const latencies = new Float64Array(most);
  let done = 0;
  let failed = 0;
  const dial = (position: number): void => {
    const fd = dialer.dial();
    fds[position] = fd;
    beganAt[position] = performance.now();
    whole[position] = 0;
    poller.watch(position, fd, POLLOUT);
  };
  const begin = performance.now();
  const deadline = begin + options.seconds * 1000;
  for (let position = 0; position < concurrency; position++) dial(position);
  let now = begin;
  while (now < deadline && done + failed < most) {
    const ready = poller.wait(deadline - now);
    now = performance.now();
    if (ready <= 0) continue;
    for (let position = 0; position < concurrency && done + failed < most; position++) {
      const events = poller.ready(position);
      if (events === 0) continue;
      const fd = fds[position] ?? -1;
      if ((events & POLLOUT) !== 0) {
        if (socketError(fd) === 0 && write(fd, CLOSE, CLOSE.length) === CLOSE.length) {
          poller.watch(position, fd, POLLIN);
          continue;
        }
        failed++;
      } else {
        const length = read(fd, buffer, buffer.length);
        if (length === -EAGAIN) continue;
        if (length > 0) {
          if (responseLength(buffer, length) === length) whole[position] = 1;
          continue;
        }
        if (length === 0 && whole[position] === 1) latencies[done++] = now - (beganAt[position] ?? now);
        else failed++;
      }
      fs.closeSync(fd);
      dial(position);
    }
  }
  for (const fd of fds) fs.closeSync(fd);
  return { latencies: latencies.subarray(0, done), failed, seconds: (now - begin) / 1000 };
}
