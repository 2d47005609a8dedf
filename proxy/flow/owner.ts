/**
 * Which worker a flow belongs to. By one port, so that packets of both directions and the errors that quote them name the
 * same worker without a look-up: README.md says which port that is.
 */

/**
 * 0 to workers - 1. `port` is 0 to 65535, or an ICMP identifier. In pairs, since Linux's connect takes ports of one parity
 * while it can (net/ipv4/inet_hashtables.c) and every worker should see its share of both.
 */
export function ownerOf(port: number, workers: number): number {
  return (port >>> 1) % workers;
}
