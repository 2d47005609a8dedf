/**
 * The C structures that system calls take, as bytes. Pure functions: layout only, in the byte order of the host (which on
 * every Linux that Node runs on is found out once, below); network order where the kernel wants it.
 */
import { parseIpv4 } from '../../proxy/net/addr.js';
import { AF_INET, AF_INET6, AF_NETLINK, IFNAMSIZ } from './constants.js';

/** Whether numbers of more than one byte begin with the least of these. */
export const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** sizeof(struct ifreq) on 64-bit, include/uapi/linux/if.h: a name of 16 bytes and a union of 24. */
export const IFREQ_BYTES = 40;

/** An interface name that cannot be one. */
export class InterfaceNameError extends Error {
  override readonly name = 'InterfaceNameError';
}

/** 1 to 15 bytes, no '/', no space, not '.' or '..' (dev_valid_name, net/core/dev.c). Throws InterfaceNameError. */
export function checkInterfaceName(name: string): string {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes >= IFNAMSIZ || /[/\s:\0]/.test(name) || name === '.' || name === '..') {
    throw new InterfaceNameError(`'${name}' is not an interface name: use 1 to 15 bytes without '/', ':' or spaces`);
  }
  return name;
}

function ifreq(name: string): DataView {
  const bytes = new Uint8Array(IFREQ_BYTES);
  bytes.set(Buffer.from(checkInterfaceName(name)));
  return new DataView(bytes.buffer);
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** ifr_flags: 16 bits. For SIOCGIFFLAGS, SIOCSIFFLAGS and TUNSETIFF. */
export function ifreqFlags(name: string, flags: number): Uint8Array {
  const view = ifreq(name);
  view.setUint16(IFNAMSIZ, flags, LITTLE);
  return bytesOf(view);
}

/** ifr_flags as the kernel wrote them. */
export function flagsOfIfreq(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(IFNAMSIZ, LITTLE);
}

/** ifr_mtu: a signed 32-bit integer. For SIOCSIFMTU. */
export function ifreqMtu(name: string, mtu: number): Uint8Array {
  const view = ifreq(name);
  view.setInt32(IFNAMSIZ, mtu, LITTLE);
  return bytesOf(view);
}

/** sizeof(struct pollfd), include/uapi/asm-generic/poll.h: int fd, short events, short revents. */
export const POLLFD_BYTES = 8;

/** An array of pollfd that is written once and polled many times. Nothing here allocates after construction. */
export class PollSet {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  /** Room for `capacity` descriptors. */
  constructor(readonly capacity: number) {
    this.bytes = new Uint8Array(capacity * POLLFD_BYTES);
    this.#view = new DataView(this.bytes.buffer);
  }

  set(index: number, fd: number, events: number): void {
    this.#view.setInt32(index * POLLFD_BYTES, fd, LITTLE);
    this.#view.setInt16(index * POLLFD_BYTES + 4, events, LITTLE);
    this.#view.setInt16(index * POLLFD_BYTES + 6, 0, LITTLE);
  }

  /** revents, as the last poll left them. */
  ready(index: number): number {
    return this.#view.getInt16(index * POLLFD_BYTES + 6, LITTLE);
  }
}

/** struct sockaddr_in, include/uapi/linux/in.h: 16 bytes. `port` 0 to 65535. */
export function sockaddrIn(address: string, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(0, AF_INET, LITTLE);
  view.setUint16(2, port);
  view.setInt32(4, parseIpv4(address));
  return bytesOf(view);
}

/** struct sockaddr_nl, include/uapi/linux/netlink.h: 12 bytes. `groups`: whose messages come; the kernel gives the port. */
export function sockaddrNl(groups: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(12));
  view.setUint16(0, AF_NETLINK, LITTLE);
  view.setUint32(8, groups, LITTLE);
  return bytesOf(view);
}

/** struct sockaddr_in6, include/uapi/linux/in6.h: 28 bytes; flow label and scope are zero. */
export function sockaddrIn6(address: string, port: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(28));
  view.setUint16(0, AF_INET6, LITTLE);
  view.setUint16(2, port);
  const bytes = bytesOf(view);
  bytes.set(ipv6Bytes(address), 8);
  return bytes;
}

/** The 16 bytes of an IPv6 address. The URL parser (WHATWG, 3.5) does the reading; it throws on what is not one. */
function ipv6Bytes(address: string): Uint8Array {
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  const view = new DataView(new ArrayBuffer(16));
  groups.forEach((group, i) => view.setUint16(i * 2, Number.parseInt(group, 16)));
  return bytesOf(view);
}

/** struct timespec of 64-bit Linux, include/uapi/linux/time_types.h: a duration that is set again and again, in place. */
export class Timespec {
  readonly bytes = new Uint8Array(16);
  readonly #view = new DataView(this.bytes.buffer);

  /** `ms` 0 or more, fractions down to a nanosecond. */
  set(ms: number): Uint8Array {
    const seconds = Math.floor(ms / 1000);
    this.#view.setUint32(LITTLE ? 0 : 4, seconds, LITTLE);
    this.#view.setUint32(LITTLE ? 8 : 12, Math.floor((ms - seconds * 1000) * 1e6), LITTLE);
    return this.bytes;
  }
}

/** sizeof(struct timex) on 64-bit, include/uapi/linux/timex.h. All zero, it changes nothing. */
export const TIMEX_BYTES = 208;

/** `status`, after modes (with its padding), offset, freq, maxerror and esterror. */
export function statusOfTimex(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(40, LITTLE);
}
