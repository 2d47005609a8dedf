/**
 * TUN devices: opened in a network namespace, used from anywhere (the descriptor keeps its namespace).
 *
 * Theory. IFF_VNET_HDR puts a virtio header before each packet and TUNSETOFFLOAD says what we take unfinished: packets whose
 * checksum is still a partial sum, and TCP super-packets of up to 64 KiB that are segmented only at the real link, if ever.
 * What comes with a header goes back with the same header, so nothing here needs to segment or to checksum. UDP segmentation
 * came with Linux 6.2 and is asked for in a call of its own, which may fail. Both belong to the link, not to a queue.
 *
 * With several queues, each has a descriptor and may be served by a thread of its own. The kernel puts a packet into the queue that
 * the other direction of its flow was last written to (a symmetric hash of the tuple, remembered for 3 s; tun_flow_update,
 * tun_automq_select_queue); a flow that it does not remember goes to a queue by the hash alone, so any queue may see any flow.
 *
 * Drivers: drivers/net/tun.c; Documentation/networking/tuntap.rst.
 */
import fs from 'node:fs';
import { EAGAIN, EBADF, EINTR, type PacketDevice } from '../../proxy/device/device.js';
import {
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_TUN,
  IFF_TUN_EXCL,
  IFF_VNET_HDR,
  O_CLOEXEC,
  O_NONBLOCK,
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  TUN_F_USO4,
  TUN_F_USO6,
  TUNSETIFF,
  TUNSETOFFLOAD,
} from '../ffi/constants.js';
import { ioctl, read, SystemError, write } from '../ffi/libc.js';
import { ifreqFlags } from '../ffi/structs.js';
import { setLinkMtu, setLinkUp } from '../netns/interface.js';
import type { Namespace } from '../netns/netns.js';

const DEVICE = '/dev/net/tun';

/** TUN devices are not to be had here; the message says why and what to do. */
export class TunUnavailableError extends Error {
  override readonly name = 'TunUnavailableError';
}

/** One queue of a TUN by its descriptor, from openTun or from another thread. Closing the last queue removes the link. */
export class TunDevice implements PacketDevice {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  read(frame: Uint8Array): number {
    if (this.#fd < 0) return -EBADF;
    const length = read(this.#fd, frame, frame.length);
    return length === -EAGAIN || length === -EINTR ? 0 : length;
  }

  write(frame: Uint8Array, length: number): number {
    return this.#fd < 0 ? -EBADF : write(this.#fd, frame, length);
  }

  close(): void {
    if (this.#fd < 0) return;
    fs.closeSync(this.#fd);
    this.#fd = -1;
  }
}

export interface TunOptions {
  readonly name: string;
  /** Bytes, 68 to 65535. */
  readonly mtu: number;
  /** 1 to 256 (MAX_TAP_QUEUES). */
  readonly queues: number;
}

/**
 * Makes a TUN link, up, and answers its queues. It lasts until every one of them is closed, however the process ends.
 * Throws TunUnavailableError, SystemError (EBUSY: the name is taken).
 */
export function openTun(namespace: Namespace, options: TunOptions): TunDevice[] {
  const { name, mtu, queues } = options;
  const several = queues > 1 ? IFF_MULTI_QUEUE : 0;
  return namespace.within(() => {
    const devices: TunDevice[] = [];
    try {
      for (let queue = 0; queue < queues; queue++) {
        const fd = openControl();
        devices.push(new TunDevice(fd));
        // The first queue makes the link. Without TUN_EXCL it would join one of this name that has several queues, whosever it is.
        join(fd, name, several | (queue === 0 ? IFF_TUN_EXCL : 0));
        if (queue === 0) offerOffloads(fd, name);
      }
      setLinkMtu(name, mtu);
      setLinkUp(name);
    } catch (error) {
      for (const device of devices) device.close();
      throw error;
    }
    return devices;
  });
}

/** Makes `fd` a queue of the link, which is made with its first. */
function join(fd: number, name: string, flags: number): void {
  try {
    ioctl(fd, TUNSETIFF, ifreqFlags(name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | flags), `TUNSETIFF, ${name}`);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EPERM') throw error;
    throw new TunUnavailableError(`this process may not make the link ${name} (no CAP_NET_ADMIN): run as root, or in a user namespace`);
  }
}

function offerOffloads(fd: number, name: string): void {
  ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6, `TUNSETOFFLOAD, ${name}`);
  try {
    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6, `TUNSETOFFLOAD, ${name}`);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EINVAL') throw error;
  }
}

function openControl(): number {
  try {
    return fs.openSync(DEVICE, fs.constants.O_RDWR | O_NONBLOCK | O_CLOEXEC);
  } catch (error) {
    throw new TunUnavailableError(unavailable((error as NodeJS.ErrnoException).code), { cause: error });
  }
}

function unavailable(code: string | undefined): string {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `${DEVICE} is not readable by uid ${outerUid()}: chmod 0666 ${DEVICE}, or run as root`;
    case 'ENOENT':
      return `${DEVICE} does not exist: modprobe tun, or give this container the device (--device ${DEVICE})`;
    case 'ENODEV':
    case 'ENXIO':
      return `${DEVICE} has no driver (${code}): modprobe tun`;
    default:
      return `${DEVICE} cannot be opened: ${code ?? 'unknown error'}`;
  }
}

/** Our uid as the file's owner sees it: in a user namespace ours is 0, and would mislead. user_namespaces(7), uid_map. */
export function outerUid(map = fs.readFileSync('/proc/self/uid_map', 'utf8'), uid = process.getuid?.() ?? 0): number {
  for (const line of map.trim().split('\n')) {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    if (uid >= inside && uid < inside + count) return outside + uid - inside;
  }
  return uid;
}
