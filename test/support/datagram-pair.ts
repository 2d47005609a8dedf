/**
 * Two connected datagram sockets (unix(7), abstract names): what is written to one is read from the other, whole. For tests, in place
 * of a TUN and of whoever is behind it.
 */
import { randomBytes } from 'node:crypto';
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../../kernel/ffi/constants.js';
import { bind, connect, socket } from '../../kernel/ffi/libc.js';

const AF_UNIX = 1;

/** The caller closes both. */
export function datagramPair(): [number, number] {
  const ends = [0, 1].map(() => {
    const name = `vipmesh-test-${randomBytes(8).toString('hex')}`;
    const address = new Uint8Array([AF_UNIX, 0, 0, ...Buffer.from(name)]);
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC);
    bind(fd, address, name);
    return { fd, address };
  });
  const [one, two] = ends as [(typeof ends)[number], (typeof ends)[number]];
  connect(one.fd, two.address);
  connect(two.fd, one.address);
  return [one.fd, two.fd];
}
