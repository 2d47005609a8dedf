/**
 * Ports on the balancer address. A flow's port must differ from those of every other flow of its protocol to the same
 * endpoint and port; beyond that the flows of different endpoints share all ports.
 *
 * The client's own port is kept when it is free. Otherwise the pool gives the port that has been free longest, or near
 * enough: each endpoint has a cursor that goes round its ports, so a port comes up again only after all others.
 * A TCP port that was just given up *rests* for as long as the endpoint may hold the old connection in TIME_WAIT: a SYN from
 * another client, whose timestamps may be behind, would be ignored for a second. The same client may use it again at once.
 * What rests is remembered in a cache of fixed size; what it forgets costs that second and no more.
 */
import type { FlowTable } from './table.js';

export const FIRST_PORT = 1024;
export const LAST_PORT = 65_535;

/** Linux's TIME_WAIT, in deciseconds. */
const REST = 600;
const REST_ENTRIES = 1 << 16;
/** Free ports that rest and are passed over before one of them is taken all the same. */
const PASS_OVER = 64;
/** After a full round without a free port, deciseconds until the next round is tried. */
const RETRY = 10;

/** Where an endpoint's next search begins. One per endpoint, kept as long as the endpoint. */
export class PortCursor {
  next = FIRST_PORT;
  /** Endpoint port of the last search that found nothing, and when to try again. */
  exhaustedPort = 0;
  exhaustedUntil = 0;
}

export class PortPool {
  readonly #table: FlowTable;
  /** Three words per entry: hash of the tuple, client address, time of release (deciseconds). */
  readonly #rest = new Int32Array(REST_ENTRIES * 3);

  constructor(table: FlowTable) {
    this.#table = table;
    // So that at no `now` an entry that was never written looks like one.
    for (let at = 2; at < this.#rest.length; at += 3) this.#rest[at] = -REST - 1;
  }

  /** A port for a new flow, or 0 when every one is taken. `kind` as in the table; `now` in deciseconds. */
  take(kind: number, endpoint: number, endpointPort: number, client: number, clientPort: number, cursor: PortCursor, now: number): number {
    if (this.#isFree(kind, endpoint, endpointPort, clientPort) && !this.#rests(kind, endpoint, endpointPort, clientPort, client, now)) {
      return clientPort;
    }
    if (cursor.exhaustedPort === endpointPort && now < cursor.exhaustedUntil) return 0;
    let resting = 0;
    let passed = 0;
    let port = cursor.next;
    for (let tried = FIRST_PORT; tried <= LAST_PORT && passed < PASS_OVER; tried++) {
      if (this.#isFree(kind, endpoint, endpointPort, port)) {
        if (!this.#rests(kind, endpoint, endpointPort, port, client, now)) {
          cursor.next = port === LAST_PORT ? FIRST_PORT : port + 1;
          return port;
        }
        if (resting === 0) resting = port;
        passed++;
      }
      port = port === LAST_PORT ? FIRST_PORT : port + 1;
    }
    if (resting !== 0) {
      cursor.next = resting === LAST_PORT ? FIRST_PORT : resting + 1;
      return resting;
    }
    cursor.exhaustedPort = endpointPort;
    cursor.exhaustedUntil = now + RETRY;
    return 0;
  }

  /** A TCP flow has ended: its port rests. */
  release(kind: number, endpoint: number, ports: number, client: number, now: number): void {
    const hash = this.#table.hash.of(kind, endpoint, 0, ports);
    const at = (hash & (REST_ENTRIES - 1)) * 3;
    this.#rest[at] = hash;
    this.#rest[at + 1] = client;
    this.#rest[at + 2] = now;
  }

  #isFree(kind: number, endpoint: number, endpointPort: number, port: number): boolean {
    return this.#table.findByEndpoint(kind, endpoint, (endpointPort << 16) | port) === 0;
  }

  #rests(kind: number, endpoint: number, endpointPort: number, port: number, client: number, now: number): boolean {
    const hash = this.#table.hash.of(kind, endpoint, 0, (endpointPort << 16) | port);
    const at = (hash & (REST_ENTRIES - 1)) * 3;
    return this.#rest[at] === hash && this.#rest[at + 1] !== client && now - this.#rest[at + 2]! < REST;
  }
}
