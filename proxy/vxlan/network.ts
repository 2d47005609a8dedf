/**
 * The VXLAN of this node in the shape that packets ask for: which node an inner destination is behind, and whether a node may send what it has
 * sent. Immutable parts: a network is replaced as a whole.
 */
import { parseIpv4 } from '../net/addr.js';
import { parseIpv6 } from '../net/addr6.js';
import { headerTemplate } from './header.js';

/** One network as this node has it. */
export interface NetworkSpec {
  readonly vni: number;
  /** Bytes of the largest packet of a task. */
  readonly mtu: number;
  /** This node's balancer address, IPv4. */
  readonly balancer: string;
  readonly peers: readonly PeerSpec[];
}

/** Another node on it. */
export interface PeerSpec {
  /** IPv4, and UDP port. */
  readonly underlay: string;
  readonly port: number;
  readonly balancer: string;
  /** All that it may use as a source, and that is behind it, of both families. */
  readonly addresses: readonly string[];
}

export interface Peer {
  readonly underlay: number;
  readonly port: number;
  /** What is before each packet to it, but for the ethertype. */
  readonly header: Uint8Array;
}

interface Entry6<T> {
  readonly words: readonly [number, number, number, number];
  readonly value: T;
}

/** Addresses of both families, asked for without an allocation. */
class Addresses<T> {
  readonly #four = new Map<number, T>();
  /** By the last word, which differs most. */
  readonly #six = new Map<number, Entry6<T>[]>();

  add(address: string, value: T): void {
    if (!address.includes(':')) {
      this.#four.set(parseIpv4(address), value);
      return;
    }
    const words = parseIpv6(address);
    const there = this.#six.get(words[3]);
    if (there) there.push({ words, value });
    else this.#six.set(words[3], [{ words, value }]);
  }

  /** Of the address at `at`, of 4 bytes, or of 16. */
  get(view: DataView, at: number, isV6: boolean): T | undefined {
    if (!isV6) return this.#four.get(view.getInt32(at));
    const there = this.#six.get(view.getInt32(at + 12));
    if (there === undefined) return undefined;
    for (let i = 0; i < there.length; i++) {
      const { words, value } = there[i]!;
      if (words[0] === view.getInt32(at) && words[1] === view.getInt32(at + 4) && words[2] === view.getInt32(at + 8)) return value;
    }
    return undefined;
  }
}

export class Network {
  readonly vni: number;
  readonly mtu: number;
  /** int32 */
  readonly balancer: number;
  /** By underlay address. */
  readonly speakers = new Map<number, Peer>();
  readonly #owners = new Addresses<Peer>();

  /** Throws AddressError. */
  constructor({ vni, mtu, balancer, peers }: NetworkSpec) {
    this.vni = vni;
    this.mtu = mtu;
    this.balancer = parseIpv4(balancer);
    for (const { underlay, port, balancer: theirs, addresses } of peers) {
      const peer: Peer = { underlay: parseIpv4(underlay), port, header: headerTemplate(vni, theirs, balancer) };
      this.speakers.set(peer.underlay, peer);
      for (const address of addresses) this.#owners.add(address, peer);
    }
  }

  /** Whose the address at `at` is; undefined: of no other node. */
  ownerOf(view: DataView, at: number, isV6: boolean): Peer | undefined {
    return this.#owners.get(view, at, isV6);
  }
}
