/**
 * Why a port could not be had, as a sentence with its remedy.
 */
import { readFileSync } from 'node:fs';
import { ListenError } from '../host-gateway.js';

export interface WantedPort {
  readonly protocol: 'tcp' | 'udp';
  /** undefined: all addresses. */
  readonly address: string | undefined;
  readonly port: number;
}

/** `error` is a SystemError of bind or listen. `firstFreePort`: net.ipv4.ip_unprivileged_port_start. */
export function explainListenError(wanted: WantedPort, error: NodeJS.ErrnoException, firstFreePort: number): ListenError {
  const { protocol, address, port } = wanted;
  const where = address === undefined ? '' : ` of ${address}`;
  const cause = { cause: error };
  switch (error.code) {
    case 'EADDRINUSE':
      return new ListenError(
        `port ${port}/${protocol}${where} is already in use: see who has it with \`ss -ln${protocol === 'tcp' ? 't' : 'u'}p 'sport = :${port}'\`, or publish another port`,
        cause,
      );
    case 'EACCES':
      return new ListenError(
        `port ${port}/${protocol}${where} is not allowed: below ${firstFreePort} it needs root. Publish a port from ${firstFreePort} on, or let everyone have it: \`sysctl -w net.ipv4.ip_unprivileged_port_start=${port}\``,
        cause,
      );
    case 'EADDRNOTAVAIL':
      return new ListenError(
        `port ${port}/${protocol}: ${address} is not an address of this host: see \`ip address\` for those it has, or leave the address out`,
        cause,
      );
    default:
      return new ListenError(`port ${port}/${protocol}${where} cannot be had: ${error.message}`, cause);
  }
}

/** 1024 unless the administrator says otherwise (Documentation/networking/ip-sysctl.rst). */
export function unprivilegedPortStart(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  } catch {
    return 1024;
  }
}
