/**
 * The datagrams that wait for fragments, by what names them, oldest first. A fixed number of them, in typed arrays; nothing
 * is allocated after construction.
 *
 * A datagram is named by its network, family, addresses and identification, and in IPv4 its protocol (RFC 791 3.2, RFC 8200
 * 4.5). They are few, so that one is found by walking from the newest.
 */
import { IP, type Frame } from '../wire/frame.js';
import * as ipv4 from '../wire/ipv4.js';
import * as ipv6 from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';

/** Words of a name: network << 9 | family << 8 | protocol, identification, then the addresses (IPv4: 2 words). */
const NAME = 10;

export class DatagramList {
  readonly #names: Int32Array;
  /** Name of the datagram that is asked about. */
  readonly #wanted = new Int32Array(NAME);
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  /** Free places, chained through `#older`. */
  #free = 0;
  #oldest = -1;
  #newest = -1;
  #size = 0;

  constructor(capacity: number) {
    this.#names = new Int32Array(capacity * NAME);
    this.#older = Int32Array.from({ length: capacity }, (_, place) => (place + 1 < capacity ? place + 1 : -1));
    this.#newer = new Int32Array(capacity);
  }

  /** Datagrams that wait. */
  get size(): number {
    return this.#size;
  }

  /** Place of the oldest, 0 to capacity - 1; -1 for none. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Place of the datagram that a fragment is a part of; -1 when none of it came yet. */
  find(frame: Frame, packet: Parsed, network: number): number {
    this.#readName(frame, packet, network);
    for (let place = this.#newest; place >= 0; place = this.#older[place]!) {
      if (this.#isWanted(place)) return place;
    }
    return -1;
  }

  /** A place for the datagram that `find` was asked about last; -1 when all are taken. */
  add(): number {
    const place = this.#free;
    if (place < 0) return -1;
    this.#free = this.#older[place]!;
    this.#names.set(this.#wanted, place * NAME);
    this.#older[place] = this.#newest;
    this.#newer[place] = -1;
    if (this.#newest >= 0) this.#newer[this.#newest] = place;
    else this.#oldest = place;
    this.#newest = place;
    this.#size += 1;
    return place;
  }

  /** The network that the datagram came from. */
  networkOf(place: number): number {
    return this.#names[place * NAME]! >>> 9;
  }

  remove(place: number): void {
    const older = this.#older[place]!;
    const newer = this.#newer[place]!;
    if (older >= 0) this.#newer[older] = newer;
    else this.#oldest = newer;
    if (newer >= 0) this.#older[newer] = older;
    else this.#newest = older;
    this.#older[place] = this.#free;
    this.#free = place;
    this.#size -= 1;
  }

  #readName({ view }: Frame, packet: Parsed, network: number): void {
    const wanted = this.#wanted;
    const isV4 = packet.family === 4;
    wanted[0] = (network << 9) | (isV4 ? packet.protocol : 0x100);
    wanted[1] = packet.fragmentId;
    const start = IP + (isV4 ? ipv4.SOURCE : ipv6.SOURCE);
    const words = isV4 ? 2 : 8;
    for (let i = 0; i < 8; i++) wanted[2 + i] = i < words ? view.getInt32(start + i * 4) : 0;
  }

  #isWanted(place: number): boolean {
    const names = this.#names;
    const at = place * NAME;
    for (let i = 0; i < NAME; i++) {
      if (names[at + i] !== this.#wanted[i]) return false;
    }
    return true;
  }
}
