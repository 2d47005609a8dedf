/**
 * A device that records what passes through it, in the format that tcpdump and Wireshark read.
 *
 * Format: the file header and records of libpcap's savefile, microseconds, big-endian (a reader tells by the magic), link
 * type LINKTYPE_RAW: the packet starts with its IP header; the virtio header is left out. A super-packet is one record, and
 * a checksum that was still to be finished is shown as it was.
 * Where the bytes go, and what the time is, is the caller's.
 */
import { IP } from '../wire/frame.js';
import type { PacketDevice } from './device.js';

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const LINKTYPE_RAW = 101;
/** Above the largest packet, IPv6's; libpcap's own largest. */
const SNAPLEN = 262_144;

export function pcapFileHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, MAGIC_MICROSECONDS);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, SNAPLEN);
  view.setUint32(20, LINKTYPE_RAW);
  return new Uint8Array(view.buffer);
}

/** `wall`: milliseconds since the Unix epoch, fractions included. */
export function pcapRecord(packet: Uint8Array, wall: number): Uint8Array {
  const record = new Uint8Array(16 + packet.length);
  const view = new DataView(record.buffer);
  const microseconds = Math.floor(wall * 1000);
  view.setUint32(0, Math.floor(microseconds / 1e6));
  view.setUint32(4, microseconds % 1e6);
  view.setUint32(8, packet.length);
  view.setUint32(12, packet.length);
  record.set(packet, 16);
  return record;
}

export class PcapDevice implements PacketDevice {
  /** `sink` takes the file header at once, then one record per frame read, or written and taken. */
  constructor(
    private readonly inner: PacketDevice,
    private readonly sink: (bytes: Uint8Array) => void,
    private readonly wall: () => number,
  ) {
    sink(pcapFileHeader());
  }

  read(frame: Uint8Array): number {
    return this.#record(frame, this.inner.read(frame));
  }

  write(frame: Uint8Array, length: number): number {
    return this.#record(frame, this.inner.write(frame, length));
  }

  close(): void {
    this.inner.close();
  }

  #record(frame: Uint8Array, length: number): number {
    if (length > IP) this.sink(pcapRecord(frame.subarray(IP, length), this.wall()));
    return length;
  }
}
