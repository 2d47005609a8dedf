/**
 * What the bench measures: one way to bring a client's connections to the endpoints. One file per peer says how it is
 * configured, and why.
 */
import type { Daemon } from '../process.js';
import type { Lane } from '../topology.js';

export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface RunningPeer {
  /** Leads to the iperf3 server of the first endpoint only: iperf3 wants all its connections at one server. */
  readonly bulk: Target;
  /** Leads to the HTTP servers of both endpoints, in turn. */
  readonly http: Target;
  /** Its processes: their memory is the peer's. None for what the kernel does by itself. */
  readonly daemons: readonly Daemon[];
}

export interface Peer {
  /** For --peers, and for JSON. */
  readonly name: string;
  readonly title: string;
  /** Ratios are to the best of the class. `kernel` never brings a packet to userspace; it is there as the ceiling. */
  readonly class: 'kernel' | 'userspace';
  /** Whether it carries UDP. */
  readonly udp: boolean;
  /** Whether a connection through it costs it sockets of its own. */
  readonly sockets: boolean;
  /** Left out of --quick: a variant that tells little more. */
  readonly extra?: boolean;
  /** Resolves when connections to both targets arrive at an endpoint. */
  start(lane: Lane): Promise<RunningPeer>;
}
