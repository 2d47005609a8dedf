/**
 * Interface flags and MTU by ioctl (netdevice(7)), synchronously, in the calling thread's network namespace: for use inside
 * Namespace.within(), where no process can be waited for. Everything else about links is iproute2's, see links.ts.
 */
import fs from 'node:fs';
import { AF_INET, IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFMTU, SOCK_CLOEXEC, SOCK_DGRAM } from '../ffi/constants.js';
import { ioctl, socket, SystemError } from '../ffi/libc.js';
import { flagsOfIfreq, ifreqFlags, ifreqMtu } from '../ffi/structs.js';

function withSocket<T>(fn: (fd: number) => T): T {
  const fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC);
  try {
    return fn(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Throws SystemError (ENODEV). */
export function setLinkUp(name: string): void {
  withSocket((fd) => {
    const request = ifreqFlags(name, 0);
    ioctl(fd, SIOCGIFFLAGS, request, `SIOCGIFFLAGS, ${name}`);
    ioctl(fd, SIOCSIFFLAGS, ifreqFlags(name, flagsOfIfreq(request) | IFF_UP), `SIOCSIFFLAGS, ${name}`);
  });
}

export type LinkState = 'up' | 'down' | 'gone';

/** Whether there is such a link, and whether somebody has set it up. Throws SystemError. */
export function linkState(name: string): LinkState {
  return withSocket((fd) => {
    const request = ifreqFlags(name, 0);
    try {
      ioctl(fd, SIOCGIFFLAGS, request, `SIOCGIFFLAGS, ${name}`);
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENODEV') return 'gone';
      throw error;
    }
    return (flagsOfIfreq(request) & IFF_UP) === 0 ? 'down' : 'up';
  });
}

/** `mtu` in bytes, 68 to 65535. Throws SystemError (ENODEV, EINVAL). */
export function setLinkMtu(name: string, mtu: number): void {
  withSocket((fd) => ioctl(fd, SIOCSIFMTU, ifreqMtu(name, mtu), `SIOCSIFMTU, ${name}, ${mtu}`));
}
