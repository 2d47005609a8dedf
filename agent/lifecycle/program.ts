/**
 * What this folder starts: the daemon, and the program file that is executed again for a process of its own. Given as an
 * argument to whatever starts something, so that its tests start a small agent in place of the whole one.
 */
import { fileURLToPath } from 'node:url';
import type { ClusterSettings } from '../cluster/settings.js';
import type { PacketIoChoice } from '../dataplane/packet-io.js';
import type { HostGateway } from '../host-gateway.js';
import type { Logger } from '../log.js';
import type { OffloadSettings } from '../offload/settings.js';
import type { UplinkChoice } from '../uplink/programs.js';
import type { Mode } from './modes.js';
import type { Paths } from './paths.js';

/** A task's own grace is cut to this when all of an agent's tasks are stopped with it, or after it. Milliseconds. */
export const SHUTDOWN_GRACE_MS = 10_000;

/** How the data plane is built; what is absent is decided by the agent. Plain data: it reaches the daemon as JSON. */
export interface DataplaneSettings {
  /** Threads, 1 to 8. */
  readonly workers?: number;
  readonly packetIo?: PacketIoChoice;
  /** Flows that can be balanced at a time, 1 to 2^24. */
  readonly maxFlows?: number;
  readonly offload?: Partial<OffloadSettings>;
  /** Of the name server in mode sockets, where tasks have none of their own; 1 to 65535. */
  readonly dnsPort?: number;
}

export interface DaemonOptions {
  readonly mode: Mode;
  readonly paths: Paths;
  readonly gateway: HostGateway;
  /** 12 hexadecimal digits, kept in the state directory. */
  readonly nodeId: string;
  readonly nodeName: string;
  readonly log: Logger;
  readonly version: string;
  /** How the name of everything this node makes on the machine begins, e.g. `vm1a2b-`. */
  readonly prefix: string;
  /** Where network namespaces are pinned; mode sockets makes none. */
  readonly namespaceDirectory: string;
  /** The process that holds the lock and takes signals: this one, or the outer one in mode rootless. */
  readonly pid: number;
  readonly dataplane: DataplaneSettings;
  /** How tasks reach the outside; absent: auto. */
  readonly uplink?: UplinkChoice;
  /** Absent: this node is alone, with a store of its own. */
  readonly cluster?: ClusterSettings;
  /** It follows one that has died a moment ago, whose published ports were kept open. */
  readonly again?: true;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
}

export interface Daemon {
  /** Resolves when the daemon has shut down, whoever asked for it. */
  readonly closed: Promise<void>;
  /** Idempotent; resolves when everything is gone. */
  shutdown(): Promise<void>;
}

export interface Program {
  /** Resolves once the API answers on paths.socket. */
  runDaemon(options: DaemonOptions): Promise<Daemon>;
  /** JavaScript file that takes the hidden commands. */
  readonly main: string;
}

/** Hidden commands of the program, each with one argument of JSON. */
export const INNER_COMMAND = '__inner';
export const DETACHED_COMMAND = '__agent';

/** Loaded when it is needed: most commands only talk to an agent. */
export const vipmesh: Program = {
  runDaemon: async (options) => (options.mode === 'sockets' ? await import('../sockets/daemon.js') : await import('../daemon.js')).runDaemon(options),
  main: fileURLToPath(new URL('../cli/main.js', import.meta.url)),
};
