/**
 * The relay's counters, since its start. Gauges (what is open now) are added by whoever holds the open things.
 */

const NAMES = [
  /** Connections accepted, also those refused right after. */
  'relay_tcp_accepted',
  /** Refused: the service has no endpoint that takes new flows. */
  'relay_tcp_refused_no_endpoint',
  /** Refused: every endpoint was tried and none accepted. */
  'relay_tcp_refused_unreachable',
  /** Refused: maxConnections are open. */
  'relay_tcp_refused_limit',
  /** accept(2) failed. */
  'relay_tcp_accept_errors',
  /** An endpoint did not accept: refused, unreachable, or no local port. */
  'relay_tcp_connect_failures',
  /** An endpoint did not answer in time. */
  'relay_tcp_connect_timeouts',
  /** An endpoint was ejected after failures in a row. */
  'relay_tcp_ejections',
  /** No descriptor was left for the client's side: it was turned away, or has to wait. */
  'relay_tcp_shed',
  /** No descriptor was left for the endpoint's side (EMFILE, ENFILE). */
  'relay_tcp_no_descriptor',
  /** Connections that ended with a reset by either side. */
  'relay_tcp_resets',
  /** Connections reset because they were silent for longer than the service allows. */
  'relay_tcp_expired',
  /** Connections ended because their endpoint is gone. */
  'relay_tcp_endpoint_gone',
  'relay_udp_sessions',
  /** Datagrams passed on, from clients and toward them. */
  'relay_udp_datagrams_in',
  'relay_udp_datagrams_out',
  /** Datagrams dropped: no endpoint takes new flows. */
  'relay_udp_dropped_no_endpoint',
  /** Datagrams dropped: the socket's queue is full. */
  'relay_udp_dropped_queue',
  /** Datagrams dropped: the send failed. */
  'relay_udp_dropped_error',
  /** An endpoint answered with ICMP port unreachable. */
  'relay_udp_refused',
  /** Sessions that were silent for longer than the service allows. */
  'relay_udp_expired',
  /** Sessions ended early to make room for another. */
  'relay_udp_evicted',
  /** Sessions whose endpoint went away; their next datagram goes to another. */
  'relay_udp_endpoint_gone',
] as const;

export type RelayCounter = (typeof NAMES)[number];

export class RelayCounters {
  readonly #values = new Map<RelayCounter, number>(NAMES.map((name) => [name, 0]));

  count(name: RelayCounter): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + 1);
  }

  read(): Record<string, number> {
    return Object.fromEntries(this.#values);
  }
}
