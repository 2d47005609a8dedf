/**
 * Where packets come from and go to. A frame is what a TUN with IFF_VNET_HDR carries: a virtio network header of 10 bytes
 * (struct virtio_net_hdr, include/uapi/linux/virtio_net.h), then one IP packet (proxy/wire/frame.ts has the largest).
 *
 * Devices never block and never throw on the packet path: a failure is a negative number, minus the errno, as in the kernel.
 * The implementation over a real TUN is kernel/tun; here are those that need no kernel: loopback (a pair in memory), and the
 * wrappers pcap and fault.
 */

// include/uapi/asm-generic/errno-base.h and errno.h: what devices answer with.
export const EINTR = 4;
export const EIO = 5;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EINVAL = 22;
export const EBADFD = 77;
export const EMSGSIZE = 90;
export const ENETDOWN = 100;
export const ENOBUFS = 105;

export interface PacketDevice {
  /** Copies the next frame into `frame`, which must hold FRAME_SIZE bytes. Its length; 0 when nothing waits; -errno. */
  read(frame: Uint8Array): number;
  /** Sends the first `length` bytes of `frame` and keeps no reference to it. `length`; -errno when it was not taken. */
  write(frame: Uint8Array, length: number): number;
  /** After it, read and write answer -EBADF. Idempotent. */
  close(): void;
}
