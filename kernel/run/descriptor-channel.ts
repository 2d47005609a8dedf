/**
 * Descriptors from one process to another, over a pair of unix sockets that one of them has inherited (unix(7), SCM_RIGHTS). Messages keep
 * their order and their bounds. Nobody is woken here: whoever sends says so on a channel of its own, after which the message is there.
 */
import { closeSync } from 'node:fs';
import { AF_UNIX, EAGAIN, ECONNRESET, EPIPE, ETOOMANYREFS, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET } from '../ffi/constants.js';
import { receiveMessage, sendMessage, socketPair, SystemError } from '../ffi/libc.js';
import { DescriptorMessage } from '../ffi/message.js';

/** Descriptors in one message; the kernel takes 253 (SCM_MAX_FD). */
export const MAX_DESCRIPTORS = 64;

/** What is sent beside the descriptors: a number that the two processes agree on. */
const TAG_BYTES = 8;

/** Both ends, closed on exec: a child gets one only as part of its stdio. */
export function descriptorChannel(): { readonly ours: number; readonly theirs: number } {
  const [ours, theirs] = socketPair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC);
  return { ours, theirs };
}

export interface Sent {
  /** As the sender called it. */
  readonly tag: number;
  /** Of this process now, closed on exec. */
  readonly descriptors: readonly number[];
}

/**
 * Sends copies of `descriptors`; they stay the caller's. `tag`: 0 to 2^53 - 1. Answers `later` while too much is under way, and `gone`
 * when nobody has the other end any more. Throws SystemError, RangeError.
 */
export function sendDescriptors(channel: number, tag: number, descriptors: readonly number[]): 'sent' | 'later' | 'gone' {
  const message = new DescriptorMessage(TAG_BYTES, descriptors.length);
  new DataView(message.data.buffer).setFloat64(0, tag);
  message.attach(descriptors);
  const result = sendMessage(channel, message.header, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (result >= 0) return 'sent';
  // ETOOMANYREFS: more descriptors are under way than one user may have open.
  if (result === -EAGAIN || result === -ETOOMANYREFS) return 'later';
  if (result === -EPIPE || result === -ECONNRESET) return 'gone';
  throw new SystemError('sendmsg', -result, `${descriptors.length} descriptors`);
}

/** The next message; undefined: there is none now, or never again. Fewer descriptors than were sent: this process may open no more. */
export function receiveDescriptors(channel: number): Sent | undefined {
  const message = new DescriptorMessage(TAG_BYTES, MAX_DESCRIPTORS);
  message.clear();
  const result = receiveMessage(channel, message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (result === 0 || result === -EAGAIN || result === -ECONNRESET) return undefined;
  if (result < 0) throw new SystemError('recvmsg', -result, `fd ${channel}`);
  const { descriptors } = message;
  const tag = new DataView(message.data.buffer).getFloat64(0);
  if ((message.flags & MSG_CTRUNC) === 0) return { tag, descriptors };
  for (const fd of descriptors) closeSync(fd);
  return { tag, descriptors: [] };
}
