/**
 * What the name server knows, as one immutable value: computed from services and tasks by whoever composes the node, and
 * replaced whole for every change. Only live, healthy tasks are in it.
 */

export interface DnsTask {
  /** 12 hexadecimal digits: a name of the task by itself. */
  readonly id: string;
  /** `vote.2.<id>` */
  readonly name: string;
  /** Dotted-quad text. */
  readonly address: string;
  /** IPv6 text, on a network that has IPv6. */
  readonly address6?: string;
  /** Names of this one task beyond its own (aliases of a one-off run). */
  readonly aliases: readonly string[];
}

export interface DnsService {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Absent in endpoint mode dnsrr: then the name answers with every task. */
  readonly vip?: string;
  /** Beside `vip`, on a network that has IPv6. */
  readonly vip6?: string;
  readonly tasks: readonly DnsTask[];
}

export interface DnsNetwork {
  readonly name: string;
  readonly subnet: string;
  readonly subnet6?: string;
  readonly internal: boolean;
  readonly services: readonly DnsService[];
  /** One-off tasks. */
  readonly tasks: readonly DnsTask[];
}

/** What one task sandbox may see: the networks that it is on, in its order of interfaces. */
export interface DnsView {
  readonly networks: readonly DnsNetwork[];
}
