/**
 * Ports on the balancer address. A flow's port must differ from those of every other flow of its protocol to the same
 * endpoint and port; beyond that the flows of different endpoints share all ports.
 *
 * The client's own port is kept when it is free. Otherwise the pool gives the port that has been free longest, or near
 * enough: each endpoint has a cursor that goes round its ports, so a port comes up again only after all others.
 * A TCP port that was just given up *rests* for as long as the endpoint may hold the old connection in TIME_WAIT: a SYN from
 * another client, whose timestamps may be behind, would be ignored for a second. The same client may use it again at once.
 * What rests is remembered in a cache of fixed size; what it forgets costs that second and no more.
 *
 * When every port is taken, a flow may give its port to a new one, as one gives way when the table is full: otherwise SYNs that
 * nobody follows up would shut an endpoint for everybody until they expire.
 *
 * Replies name the worker by this port (owner.ts), so each worker's pool gives only ports that it owns. Port 0 is never given:
 * it means that there is no port. An ICMP query's identifier is a port here, toward endpoint port 0.
 */
import { DATAGRAM_RANK, ESTABLISHED_RANK, rankOf } from './expiry.js';
import { ownerOf } from './owner.js';
import { KIND, LAST_SEEN, STATE_MASK } from './slot.js';
import type { FlowTable } from './table.js';

export const FIRST_PORT = 1024;
export const LAST_PORT = 65_535;

/** Linux's TIME_WAIT, in deciseconds. */
const REST = 600;
const REST_ENTRIES = 1 << 16;
/** Free ports that rest and are passed over before one of them is taken all the same. */
const PASS_OVER = 64;
/** Silence after which a flow of UDP or ICMP gives its port away, deciseconds: no mapping ends within two minutes (RFC 4787 REQ-5). */
const DATAGRAM_IDLE = 1200;
/** After a full round without a free port, deciseconds until the next round is tried. */
const RETRY = 10;

/** Where an endpoint's next search begins. One per endpoint, kept as long as the endpoint. */
export class PortCursor {
  /** 0: at the pool's first port. */
  next = 0;
  /** Kind and endpoint port of the last search that found nothing, and when to try again. */
  exhaustedKind = 0;
  exhaustedPort = 0;
  exhaustedUntil = 0;
}

export interface PortPoolOptions {
  /** Workers that share the ports, and which of them (from 0) this pool's is. */
  readonly workers: number;
  readonly worker: number;
}

export class PortPool {
  readonly #table: FlowTable;
  readonly #workers: number;
  readonly #worker: number;
  /** Of the ports that this worker owns. */
  readonly #first: number;
  readonly #last: number;
  /** Ports looked at since this was last set to 0: what a search has cost. */
  visited = 0;
  /** Three words per entry: hash of the tuple, client, until when it rests (deciseconds; 0: an entry never used). */
  readonly #rest = new Int32Array(REST_ENTRIES * 3);

  constructor(table: FlowTable, { workers, worker }: PortPoolOptions = { workers: 1, worker: 0 }) {
    this.#table = table;
    this.#workers = workers;
    this.#worker = worker;
    let first = FIRST_PORT;
    while (ownerOf(first, workers) !== worker) first += 2;
    let last = LAST_PORT;
    while (ownerOf(last, workers) !== worker) last -= 2;
    this.#first = first;
    this.#last = last;
  }

  /**
   * A port for a new flow, or 0 when every one is taken. `kind` as in the table; `now` in deciseconds. `client` is whatever
   * names the client for a minute: its IPv4 address, or `AddressBook.key` of its IPv6 address.
   */
  take(kind: number, endpoint: number, endpointPort: number, client: number, clientPort: number, cursor: PortCursor, now: number): number {
    if (
      clientPort !== 0 &&
      ownerOf(clientPort, this.#workers) === this.#worker &&
      this.#isFree(kind, endpoint, endpointPort, clientPort) &&
      !this.#rests(kind, endpoint, endpointPort, clientPort, client, now)
    ) {
      return clientPort;
    }
    if (cursor.exhaustedKind === kind && cursor.exhaustedPort === endpointPort && now < cursor.exhaustedUntil) return 0;
    let resting = 0;
    let passed = 0;
    const from = cursor.next === 0 ? this.#first : cursor.next;
    let port = from;
    let visits = 0;
    do {
      const next = this.#after(port);
      visits++;
      if (this.#isFree(kind, endpoint, endpointPort, port)) {
        if (!this.#rests(kind, endpoint, endpointPort, port, client, now)) {
          cursor.next = next;
          this.visited += visits;
          return port;
        }
        if (resting === 0) resting = port;
        passed++;
      }
      port = next;
    } while (port !== from && passed < PASS_OVER);
    this.visited += visits;
    if (resting !== 0) {
      cursor.next = this.#after(resting);
      return resting;
    }
    cursor.exhaustedKind = kind;
    cursor.exhaustedPort = endpointPort;
    cursor.exhaustedUntil = now + RETRY;
    return 0;
  }

  /**
   * After `take` gave 0: the flow that gives its port to the new one, among those of the next 64 ports; 0 for none. Of the lowest
   * rank that there is (expiry.ts) the one silent for longest, but no established one, and none of UDP or ICMP that was used in the
   * last two minutes.
   */
  victim(kind: number, endpoint: number, endpointPort: number, cursor: PortCursor, now: number): number {
    const { words } = this.#table;
    let best = 0;
    let bestRank = ESTABLISHED_RANK;
    let bestSeen = 0;
    let port = cursor.next === 0 ? this.#first : cursor.next;
    for (let visits = 0; visits < PASS_OVER; visits++, port = this.#after(port)) {
      const slot = this.#table.findByEndpoint(kind, endpoint, (endpointPort << 16) | port);
      if (slot === 0) continue;
      const rank = rankOf(words[(slot << 4) + KIND]! & STATE_MASK);
      const seen = words[(slot << 4) + LAST_SEEN]!;
      if (rank === DATAGRAM_RANK && now - seen < DATAGRAM_IDLE) continue;
      if (rank > bestRank || (rank === bestRank && (best === 0 || seen >= bestSeen))) continue;
      best = slot;
      bestRank = rank;
      bestSeen = seen;
    }
    cursor.next = port;
    this.visited += PASS_OVER;
    return best;
  }

  /** The port that this worker owns after one that it owns: the other of a pair, or the first of its next pair. */
  #after(port: number): number {
    if (port >= this.#last) return this.#first;
    return (port & 1) === 0 ? port + 1 : port + 2 * this.#workers - 1;
  }

  /** A TCP flow has ended: its port rests. `client` as for `take`. */
  release(kind: number, endpoint: number, ports: number, client: number, now: number): void {
    const hash = this.#table.hash.of(kind, endpoint, 0, ports);
    const at = (hash & (REST_ENTRIES - 1)) * 3;
    this.#rest[at] = hash;
    this.#rest[at + 1] = client;
    this.#rest[at + 2] = now + REST;
  }

  #isFree(kind: number, endpoint: number, endpointPort: number, port: number): boolean {
    return this.#table.findByEndpoint(kind, endpoint, (endpointPort << 16) | port) === 0;
  }

  #rests(kind: number, endpoint: number, endpointPort: number, port: number, client: number, now: number): boolean {
    const hash = this.#table.hash.of(kind, endpoint, 0, (endpointPort << 16) | port);
    const at = (hash & (REST_ENTRIES - 1)) * 3;
    return this.#rest[at] === hash && this.#rest[at + 1] !== client && now < this.#rest[at + 2]!;
  }
}
