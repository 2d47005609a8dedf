/**
 * What a socket's descriptor tells about it, where Node's own API does not say.
 */
import { AF_INET6, SO_DOMAIN, SO_ERROR, SOL_SOCKET } from '../ffi/constants.js';
import { getsockopt } from '../ffi/libc.js';

/** Address family the socket was made with. Throws SystemError (ENOTSOCK, EBADF). */
export function socketFamily(fd: number): 'ipv4' | 'ipv6' {
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN) === AF_INET6 ? 'ipv6' : 'ipv4';
}

/** The error waiting on the socket, as an errno; 0 for none. Reading it clears it (socket(7), SO_ERROR). */
export function socketError(fd: number): number {
  return getsockopt(fd, SOL_SOCKET, SO_ERROR);
}
