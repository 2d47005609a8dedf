/**
 * A frame: what one read of the TUN gives and one write takes back. A virtio-net header of 10 bytes, then an IP packet.
 *
 * Made once per worker and used for every packet. Two views of the same bytes, because each is the faster one for some
 * accesses.
 */

/** Where the IP packet starts: the size of the virtio-net header. */
export const IP = 10;
/** Bytes of the largest packet: an IPv6 header and 65,535 bytes of payload. IPv4's largest is 65,535 with its header. */
export const LARGEST_PACKET = 40 + 65_535;
/** Room for the largest frame. */
export const FRAME_SIZE = IP + LARGEST_PACKET;

export interface Frame {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** `bytes` should hold at least FRAME_SIZE; a shorter one only means that longer packets cannot be in it. */
export function makeFrame(bytes: Uint8Array = new Uint8Array(FRAME_SIZE)): Frame {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}
