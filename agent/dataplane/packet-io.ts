/**
 * Which of the two ways packets go in and out (poll-io.ts, uring-io.ts), and why not the better one.
 */
import { whyNoIoUring } from '../../kernel/uring/available.js';
import type { PacketIo } from '../../proxy/dataplane/handle.js';
import { COMPLETIONS, ENTRIES } from './uring-io.js';

/** 'auto' is io_uring where it is to be had. */
export type PacketIoChoice = 'auto' | PacketIo['kind'];

/** io_uring was asked for and cannot be had. */
export class PacketIoError extends Error {
  override readonly name = 'PacketIoError';
}

/** Throws PacketIoError. */
export function choosePacketIo(choice: PacketIoChoice, why: () => string | undefined = () => whyNoIoUring(ENTRIES, COMPLETIONS)): PacketIo {
  if (choice === 'poll') return { kind: 'poll' };
  const because = why();
  if (because === undefined) return { kind: 'io_uring' };
  if (choice === 'io_uring') throw new PacketIoError(`io_uring is not to be had: ${because}; use --packet-io auto or poll`);
  return { kind: 'poll', because };
}
