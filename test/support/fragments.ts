/**
 * Fragments of a frame's packet for the tests, cut by code of its own: nothing here is taken from proxy/.
 */
import { FRAGMENT, naiveSum, VNET } from './packets.js';

export interface Cut {
  /** Where to cut the payload: multiples of 8, ascending, above 0 and below its length. */
  readonly at: readonly number[];
  readonly id?: number;
  /** IPv6: bytes of extension headers that every fragment repeats. 0 unless told otherwise. */
  readonly repeated?: number;
}

/** One fragment by hand: `payload` at `offset`, with the headers of `frame`, whose packet it need not be a part of. */
export function fragmentOf(frame: Uint8Array, offset: number, more: boolean, payload: Uint8Array, { id = 0x1234, repeated = 0 }: Omit<Cut, 'at'> = {}): Buffer {
  const packet = Buffer.from(frame.subarray(VNET));
  if ((packet[0] as number) >>> 4 === 6) {
    const headers = packet.subarray(0, 40 + repeated);
    const lastField = repeated === 0 ? 6 : lastHeaderOf(headers);
    const fragment = Buffer.from([headers[lastField] as number, 0, offset >>> 8, (offset & 0xf8) | (more ? 1 : 0), 0, 0, 0, 0]);
    fragment.writeInt32BE(id | 0, 4);
    headers[lastField] = FRAGMENT;
    headers.writeUInt16BE(repeated + 8 + payload.length, 4);
    return Buffer.concat([Buffer.alloc(VNET), headers, fragment, payload]);
  }
  // Options are taken to be of those that only the first fragment has.
  const header = packet.subarray(0, offset === 0 ? ((packet[0] as number) & 15) * 4 : 20);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(header.length + payload.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE((more ? 0x2000 : 0) | (offset / 8), 6);
  header.writeUInt16BE(0, 10);
  header.writeUInt16BE(0xffff - naiveSum(header), 10);
  return Buffer.concat([Buffer.alloc(VNET), header, payload]);
}

/** Where the last of the extension headers begins, which with the IPv6 header are `headers`. */
function lastHeaderOf(headers: Buffer): number {
  let at = 40;
  for (let next = at; next < headers.length; next += ((headers[next + 1] as number) + 1) * 8) at = next;
  return at;
}

/** All fragments of the packet in `frame`, in order. */
export function cut(frame: Uint8Array, { at, ...rest }: Cut): Buffer[] {
  const packet = frame.subarray(VNET);
  const payload = packet.subarray((packet[0] as number) >>> 4 === 6 ? 40 + (rest.repeated ?? 0) : ((packet[0] as number) & 15) * 4);
  const edges = [0, ...at, payload.length];
  return edges.slice(0, -1).map((from, i) => {
    const to = edges[i + 1] as number;
    return fragmentOf(frame, from, to < payload.length, payload.subarray(from, to), rest);
  });
}
