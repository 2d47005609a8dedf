/** Puts the fragments of IPv6 datagrams together for a simulated host, by the plainest means: whole, or nothing yet. */
import { FRAGMENT, VNET } from '../support/packets.js';

interface Parts {
  readonly bytes: Map<number, Buffer>;
  end: number;
}

const HEADER = 40;

export class Assembly {
  readonly #datagrams = new Map<string, Parts>();

  /** The frame itself when it is none of a fragment; otherwise the whole, or undefined. Only a Fragment header alone is known. */
  add(frame: Buffer): Buffer | undefined {
    const packet = frame.subarray(VNET);
    if (packet[0]! >>> 4 !== 6 || packet[6] !== FRAGMENT) return frame;
    const key = packet.toString('hex', 8, HEADER) + packet.toString('hex', HEADER + 4, HEADER + 8);
    const parts = this.#datagrams.get(key) ?? { bytes: new Map<number, Buffer>(), end: -1 };
    this.#datagrams.set(key, parts);
    const word = packet.readUInt16BE(HEADER + 2);
    const payload = packet.subarray(HEADER + 8);
    parts.bytes.set(word & 0xfff8, payload);
    if ((word & 1) === 0) parts.end = (word & 0xfff8) + payload.length;
    const whole = Buffer.concat([...parts.bytes].sort(([a], [b]) => a - b).map(([, bytes]) => bytes));
    if (whole.length !== parts.end) return undefined;
    this.#datagrams.delete(key);
    const header = Buffer.from(packet.subarray(0, HEADER));
    header[6] = packet[HEADER]!;
    header.writeUInt16BE(whole.length, 4);
    return Buffer.concat([Buffer.alloc(VNET), header, whole]);
  }
}
