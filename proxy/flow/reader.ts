/**
 * Reads a flow table from another thread while its writer goes on.
 *
 * A slot may be freed or reused while it is read. Its identity (tuples, protocol, birth) is therefore read before and after
 * the rest and taken only when both agree; after a few disagreements the slot is skipped, for then it has just changed
 * hands. Counts and times within one record may be a packet apart. Nothing is decided by what is read here but what a user
 * is shown and how long a drain waits.
 */
import type { FlowRecord, FlowState } from '../dataplane/handle.js';
import type { Snapshot } from '../config/snapshot.js';
import { formatIpv4 } from '../net/addr.js';
import {
  BYTES_IN,
  BYTES_OUT,
  CLIENT,
  CLIENT_PORTS,
  CREATED,
  ENDPOINT,
  ENDPOINT_PORTS,
  HEADER_HIGH_WATER,
  HEADER_LIVE,
  HEADER_NOW,
  KIND,
  LAST_SEEN,
  SLOT_WORDS,
  State,
  STATE_MASK,
  VIP,
} from './slot.js';

const UDP = 17;
const IDENTITY = [CLIENT, VIP, ENDPOINT, CLIENT_PORTS, ENDPOINT_PORTS, CREATED] as const;
const ATTEMPTS = 3;

const STATE_NAMES: readonly FlowState[] = ['closed', 'opening', 'opening', 'established', 'closing', 'closing', 'closing', 'closing', 'closed', 'udp'];

export class FlowReader {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  /** @param buffer of `FlowTable.allocate` */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    this.#doubles = new Float64Array(buffer);
  }

  /** Flows in the table, lingering ones included. */
  get size(): number {
    return Atomics.load(this.#words, HEADER_LIVE);
  }

  /**
   * Every flow whose network is in the snapshot; `service` is empty when its VIP no longer is. Ages are by the writer's
   * clock as of its last tick, so no thread needs another's clock; their resolution is 100 ms.
   */
  list(names: Pick<Snapshot, 'networks'>): FlowRecord[] {
    const networks = new Map(names.networks.map((network) => [network.index, network]));
    const services = new Map(names.networks.map((network) => [network.index, new Map(network.services.map((service) => [service.vip, service.name]))]));
    const records: FlowRecord[] = [];
    const end = Atomics.load(this.#words, HEADER_HIGH_WATER);
    for (let slot = 1; slot <= end; slot++) {
      const flow = this.#read(slot);
      if (!flow) continue;
      const network = networks.get(flow.kind >>> 16);
      if (!network) continue;
      const now = Atomics.load(this.#words, HEADER_NOW);
      records.push({
        network: network.name,
        service: services.get(network.index)?.get(flow.vip) ?? '',
        protocol: ((flow.kind >>> 8) & 0xff) === UDP ? 'udp' : 'tcp',
        client: `${formatIpv4(flow.client)}:${flow.clientPorts >>> 16}`,
        vip: `${formatIpv4(flow.vip)}:${flow.clientPorts & 0xffff}`,
        endpoint: `${formatIpv4(flow.endpoint)}:${flow.endpointPorts >>> 16}`,
        state: STATE_NAMES[flow.kind & STATE_MASK] ?? 'closed',
        bytesIn: flow.bytesIn,
        bytesOut: flow.bytesOut,
        age: Math.max(0, now - flow.created) * 100,
        idle: Math.max(0, now - flow.lastSeen) * 100,
        path: 'tun',
      });
    }
    return records;
  }

  /** Flows to an endpoint that are not closed. */
  countTo(network: number, address: number): number {
    const words = this.#words;
    const end = Atomics.load(words, HEADER_HIGH_WATER);
    let count = 0;
    for (let slot = 1; slot <= end; slot++) {
      const word = slot * SLOT_WORDS;
      const kind = Atomics.load(words, word + KIND);
      const state = kind & STATE_MASK;
      if (state !== State.free && state !== State.closed && kind >>> 16 === network && words[word + ENDPOINT] === address) count++;
    }
    return count;
  }

  #read(slot: number) {
    const words = this.#words;
    const word = slot * SLOT_WORDS;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const kind = Atomics.load(words, word + KIND);
      if (kind === 0) return undefined;
      const flow = {
        kind,
        client: Atomics.load(words, word + CLIENT),
        vip: Atomics.load(words, word + VIP),
        endpoint: Atomics.load(words, word + ENDPOINT),
        clientPorts: Atomics.load(words, word + CLIENT_PORTS),
        endpointPorts: Atomics.load(words, word + ENDPOINT_PORTS),
        created: Atomics.load(words, word + CREATED),
        lastSeen: Atomics.load(words, word + LAST_SEEN),
        bytesIn: this.#doubles[slot * 8 + BYTES_IN]!,
        bytesOut: this.#doubles[slot * 8 + BYTES_OUT]!,
      };
      const before = [flow.client, flow.vip, flow.endpoint, flow.clientPorts, flow.endpointPorts, flow.created];
      const same = IDENTITY.every((field, i) => Atomics.load(words, word + field) === before[i]);
      if (same && ((Atomics.load(words, word + KIND) ^ kind) & ~STATE_MASK) === 0) return flow;
    }
    return undefined;
  }
}
