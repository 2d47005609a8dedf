/**
 * Which datagrams get in: the checks of the host's filter for a kernel's device (overlay/vxlan/filter.ts), and those that the device itself makes.
 * Pure.
 */
import { ETHERTYPE, ETHERTYPE_IPV4, ETHERTYPE_IPV6, isFor, OVERHEAD, readVni } from './header.js';
import type { Memory } from './memory.js';
import type { Network } from './network.js';
import { Packet } from './packet.js';

/** What became of a datagram. */
export const Verdict = {
  admitted: 0,
  /** Its sender is no node of the cluster. */
  unknownVtep: 1,
  /** This node is not on the network, or the sender is not. */
  unknownVni: 2,
  /** The packet in it is not from an address that the sender has on the network, or is no IP. */
  foreignSource: 3,
  /** Its frame is for another hardware address. */
  foreignDestination: 4,
  /** No VXLAN, or no packet: flags, lengths, IPv4's checksum, a fragment that cannot be one. */
  malformed: 5,
} as const;

/** By verdict, as they are counted and shown; `unknown-vtep`, `unknown-vni` and `foreign-source` are also what the host's filter counts. */
export const VERDICTS = ['admitted', 'unknown-vtep', 'unknown-vni', 'foreign-source', 'foreign-destination', 'malformed'] as const;

export class Admission {
  /** After `admitted`. */
  readonly packet = new Packet();
  network: Network | undefined;
  #vteps: ReadonlySet<number> = new Set();
  /** By VNI. */
  readonly #networks = new Map<number, Network>();
  /** What was found of the last datagram that got as far: others like it follow. */
  #lastSource = 0;
  #lastNetwork: Network | undefined;
  /** IPv4: an inner source that the last sender has on the last network. */
  #lastInner = 0;

  /** @param vteps underlay addresses of other nodes, int32 */
  setNodes(vteps: ReadonlySet<number>): void {
    this.#vteps = vteps;
    this.#lastNetwork = undefined;
  }

  setNetwork(network: Network): void {
    this.#networks.set(network.vni, network);
    this.#lastNetwork = undefined;
  }

  forget(vni: number): void {
    this.#networks.delete(vni);
    this.#lastNetwork = undefined;
  }

  /** The datagram in `[at, end)` that the node at `source`, an int32, has sent. Answers a Verdict. */
  judge(memory: Memory, at: number, end: number, source: number): number {
    let network = source === this.#lastSource ? this.#lastNetwork : undefined;
    if (network === undefined && !this.#vteps.has(source)) return Verdict.unknownVtep;
    if (end - at < OVERHEAD) return Verdict.malformed;
    const { view } = memory;
    const vni = readVni(view, at);
    if (vni < 0) return Verdict.malformed;
    if (network?.vni !== vni) {
      network = this.#networks.get(vni);
      if (network?.speakers.has(source) !== true) return Verdict.unknownVni;
      this.#lastSource = source;
      this.#lastNetwork = network;
      this.#lastInner = 0;
    }
    const ethertype = view.getUint16(at + ETHERTYPE);
    if (ethertype !== ETHERTYPE_IPV4 && ethertype !== ETHERTYPE_IPV6) return Verdict.foreignSource;
    const { packet } = this;
    if (!packet.read(memory, at + OVERHEAD, end) || packet.isV6 !== (ethertype === ETHERTYPE_IPV6)) return Verdict.malformed;
    const inner = packet.isV6 ? 0 : view.getInt32(packet.source);
    if (inner === 0 || inner !== this.#lastInner) {
      if (network.ownerOf(view, packet.source, packet.isV6)?.underlay !== source) return Verdict.foreignSource;
      this.#lastInner = inner;
    }
    if (!isFor(view, at, network.balancer)) return Verdict.foreignDestination;
    this.network = network;
    return Verdict.admitted;
  }
}
