/**
 * A socket of nfnetlink in a namespace. The kernel works while we write: when that call is back, all answers are there.
 */
import fs from 'node:fs';
import { EAGAIN } from '../../proxy/device/device.js';
import { AF_NETLINK, NETLINK_NETFILTER, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from '../ffi/constants.js';
import { read, socket, SystemError, write } from '../ffi/libc.js';
import type { Namespace } from '../netns/netns.js';

const REPLIES = 64 << 10;

/** A descriptor, for the caller to close. Throws SystemError. */
export function openNetfilter(namespace: Namespace): number {
  return namespace.within(() => socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_NETFILTER));
}

/** What the kernel has answered so far, piece by piece. A piece is good until the next one is asked for. Throws SystemError. */
export function* answersOn(fd: number): Generator<Uint8Array> {
  const buffer = new Uint8Array(REPLIES);
  for (;;) {
    const length = read(fd, buffer, buffer.length);
    if (length === -EAGAIN) return;
    if (length < 0) throw new SystemError('read', -length, 'netlink');
    yield buffer.subarray(0, length);
  }
}

/** Writes messages on a socket of their own, and gives what the kernel has answered, as answersOn does. Throws SystemError. */
export function* exchange(namespace: Namespace, messages: Uint8Array): Generator<Uint8Array> {
  const fd = openNetfilter(namespace);
  try {
    const sent = write(fd, messages, messages.length);
    if (sent < 0) throw new SystemError('write', -sent, 'netlink');
    yield* answersOn(fd);
  } finally {
    fs.closeSync(fd);
  }
}
