/**
 * The virtio-net header of a TUN opened with IFF_VNET_HDR (struct virtio_net_hdr, 10 bytes, linux/virtio_net.h).
 * Legacy headers are in the host's byte order; every platform that Node runs Linux on here is little-endian.
 *
 * With NEEDS_CSUM the L4 checksum is partial: its field holds the folded pseudo-header sum, *not* complemented, and whoever
 * puts the packet on a wire sums from csum_start and stores the complement at csum_start + csum_offset.
 */

export const FLAGS = 0;
export const GSO_TYPE = 1;
export const HEADER_LENGTH = 2;
export const GSO_SIZE = 4;
export const CHECKSUM_START = 6;
export const CHECKSUM_OFFSET = 8;

export const NEEDS_CSUM = 1;
/** The host vouches for the checksum. */
export const DATA_VALID = 2;

export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
/** UFO: fragments of one datagram. */
export const GSO_UDP = 3;
export const GSO_TCPV6 = 4;
/** USO: several datagrams. */
export const GSO_UDP_L4 = 5;
/** A bit beside the type. */
export const GSO_ECN = 0x80;

/** What goes before a packet that we built: nothing left to do for the kernel. */
export function clearVirtioHeader(bytes: Uint8Array): void {
  for (let at = 0; at < 10; at++) bytes[at] = 0;
}
