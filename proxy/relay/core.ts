/**
 * All published ports of one relay, on whichever thread it runs: carries out the owner's requests. How requests arrive,
 * and in which network namespace the thread is, is for others.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { AffinityTable } from '../sched/affinity.js';
import type { Shared } from '../sched/balancer.js';
import { EndpointStats } from '../sched/stats.js';
import type { Clock } from '../time/clock.js';
import { RelayCounters } from './counters.js';
import { RelayError, type RelayAnswers, type RelayLimits, type RelayRequest } from './messages.js';
import type { RelayPort } from './relay.js';
import { Targets } from './targets.js';
import { TcpPort, type ConnectionBudget } from './tcp-port.js';
import { UdpPort } from './udp-port.js';
import { UdpTable } from './udp-table.js';

export interface RelayEnvironment {
  readonly limits: RelayLimits;
  readonly clock: Clock;
  /** See ConnectionContext. */
  readonly wasReset: (socket: Socket) => boolean;
  /** Address family of a socket. Throws when the descriptor is none. */
  readonly familyOf: (fd: number) => 'ipv4' | 'ipv6';
}

export class RelayCore {
  readonly #ports = new Map<string, TcpPort | UdpPort>();
  readonly #counters = new RelayCounters();
  readonly #budget: ConnectionBudget;
  readonly #table: UdpTable;
  /** The relay has one thread, so all its endpoints are counted in private rows. */
  readonly #balancing: Shared = {
    stats: new EndpointStats(EndpointStats.allocate(0)),
    affinity: new AffinityTable(AffinityTable.allocate()),
  };
  readonly #secret = randomBytes(16).toString('hex');

  constructor(private readonly environment: RelayEnvironment) {
    const { limits, clock } = environment;
    this.#budget = { open: 0, max: limits.maxConnections };
    this.#table = new UdpTable(clock, limits.maxSessions);
  }

  /** Rejects with RelayError. */
  async handle(request: RelayRequest): Promise<RelayAnswers[RelayRequest['kind']]> {
    switch (request.kind) {
      case 'publish':
        return this.#publish(request.port, request.fd);
      case 'update': {
        const port = this.#ports.get(request.id);
        if (!port) throw new RelayError(`relay: ${request.id} is not published`);
        port.update(request.endpoints, request.choice);
        return undefined;
      }
      case 'unpublish':
        this.#ports.get(request.id)?.close();
        this.#ports.delete(request.id);
        return undefined;
      case 'flows':
        return [...this.#ports.values()].flatMap((port) => port.flows());
      case 'flowsTo': {
        let count = 0;
        for (const port of this.#ports.values()) count += port.flowsTo(request.address);
        return count;
      }
      case 'opened':
        return Object.fromEntries([...this.#ports].map(([id, port]) => [id, port.opened]));
      case 'ejectedFor':
        return Math.max(0, ...[...this.#ports.values()].map((port) => port.ejectedFor(request.endpoint)));
      case 'counters':
        return { ...this.#counters.read(), relay_tcp_open: this.#budget.open, relay_udp_open: this.#table.size };
      case 'close':
        for (const port of this.#ports.values()) port.close();
        this.#ports.clear();
        this.#table.close();
        return undefined;
    }
  }

  async #publish(port: RelayPort, fd: number): Promise<undefined> {
    const inode = inodeOf(fd);
    try {
      if (this.#ports.has(port.id)) throw new RelayError(`relay: ${port.id} is published already`);
      const opened = await this.#open(port, fd);
      this.#ports.set(port.id, opened);
      return undefined;
    } catch (error) {
      // Node closes a descriptor it could not use in some cases and leaves it open in others.
      if (inode !== undefined && inodeOf(fd) === inode) closeSync(fd);
      if (error instanceof RelayError) throw error;
      throw new RelayError(`relay: cannot serve ${port.id} on descriptor ${fd}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #open(port: RelayPort, fd: number): Promise<TcpPort> | UdpPort {
    const { clock, limits, wasReset } = this.environment;
    const service = { id: port.service, scheduler: port.scheduler, ...(port.policy && { policy: port.policy }) };
    const targets = new Targets(this.#balancing, service, clock, this.#secret, port.endpoints);
    const counters = this.#counters;
    if (port.protocol === 'udp') {
      return UdpPort.open(port, fd, this.environment.familyOf(fd), { targets, clock, counters, table: this.#table });
    }
    const context = { targets, targetPort: port.targetPort, connectTimeout: limits.connectTimeout, clock, counters, wasReset };
    return TcpPort.open(port, fd, context, this.#budget);
  }
}

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino;
  } catch {
    return undefined;
  }
}
