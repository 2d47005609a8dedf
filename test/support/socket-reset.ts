/**
 * Whether a socket whose stream has ended was in fact reset: its pending error, which libuv did not look at.
 */
import type { Socket } from 'node:net';
import { socketError } from '../../kernel/netns/socket-info.js';

/** Node gives no public way to a socket's descriptor; `_handle.fd` has been there since 0.11 and is what others use. */
interface WithHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

export function wasReset(socket: Socket): boolean {
  const fd = (socket as unknown as WithHandle)._handle?.fd;
  return fd !== undefined && fd >= 0 && socketError(fd) !== 0;
}
