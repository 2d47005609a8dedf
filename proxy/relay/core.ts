/**
 * All published ports of one relay thread, whichever it is: carries out the owner's requests, and has a turn of its sockets when it is
 * told. How requests arrive, and in which network namespace the thread is, is for others.
 *
 * TCP is relayed in turns of our own (loop.ts), UDP by Node's sockets on Node's event loop; a thread has ports of the one or of the other.
 */
import { closeSync, fstatSync } from 'node:fs';
import type { Clock } from '../time/clock.js';
import { RelayCounters } from './counters.js';
import type { Crew } from './crew.js';
import { COPY_BYTES, type Copying } from './direction.js';
import { Loop } from './loop.js';
import { RelayError, type PublishedPort, type RelayAnswers, type RelayLimits, type RelayRequest } from './messages.js';
import { Pipes } from './pipes.js';
import type { StreamSockets } from './sockets.js';
import { Targets } from './targets.js';
import { TcpPort } from './tcp-port.js';
import { UdpPort } from './udp-port.js';
import { UdpTable } from './udp-table.js';

/** Pipes of one thread: as many streams move at full speed at the same instant. */
const MAX_PIPES = 16;

export interface RelayEnvironment {
  readonly limits: RelayLimits;
  readonly clock: Clock;
  readonly sockets: StreamSockets;
  readonly crew: Crew;
  /** Address family of a socket. Throws when the descriptor is none. */
  readonly familyOf: (fd: number) => 'ipv4' | 'ipv6';
}

export class RelayCore {
  readonly #ports = new Map<string, TcpPort | UdpPort>();
  readonly #counters = new RelayCounters();
  readonly #table: UdpTable;
  readonly #loop: Loop;
  readonly #copying: Copying;
  /** Listeners are not watched, because another thread has fewer connections. */
  #isAhead = false;

  constructor(private readonly environment: RelayEnvironment) {
    const { limits, clock, sockets } = environment;
    this.#table = new UdpTable(clock, limits.maxSessions);
    this.#loop = new Loop(sockets);
    this.#copying = { sockets, pipes: new Pipes(sockets, MAX_PIPES), buffer: new Uint8Array(COPY_BYTES) };
  }

  /** Calls `onWake` in the turn in which `fd` can be read. */
  watchWake(fd: number, onWake: () => void): void {
    const token = this.#loop.watchInput(fd, { ready: onWake }, false);
    if (token < 0) throw new RelayError(`relay: its wake-up cannot be waited for: errno ${-token}`);
  }

  /** One wait for sockets of TCP, and what it brings. @param timeout milliseconds */
  turn(timeout: number): void {
    if (this.#isAhead && this.environment.crew.behind() === undefined) this.#listenAgain();
    this.#loop.turn(timeout);
  }

  /** Another thread has more connections: looks for clients that the kernel has told nobody else of. */
  lookForClients(): void {
    if (this.#isAhead) this.#listenAgain();
    for (const port of this.#ports.values()) if (port instanceof TcpPort) port.accept();
  }

  /** Throws RelayError. */
  handle<K extends RelayRequest['kind']>(request: Extract<RelayRequest, { kind: K }>): RelayAnswers[K];
  handle(request: RelayRequest): RelayAnswers[RelayRequest['kind']] {
    switch (request.kind) {
      case 'publish':
        this.#publish(request.port, request.fd);
        return undefined;
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
        return { ...this.#counters.read(), relay_tcp_open: this.environment.crew.ownOpen, relay_udp_open: this.#table.size };
      case 'close':
        for (const port of this.#ports.values()) port.close();
        this.#ports.clear();
        this.#table.close();
        this.#copying.pipes.close();
        return undefined;
    }
  }

  #publish(port: PublishedPort, fd: number): void {
    const inode = inodeOf(fd);
    try {
      if (this.#ports.has(port.id)) throw new RelayError(`relay: ${port.id} is published already`);
      this.#ports.set(port.id, this.#open(port, fd));
    } catch (error) {
      // Node closes a descriptor it could not use in some cases and leaves it open in others.
      if (inode !== undefined && inodeOf(fd) === inode) closeSync(fd);
      if (error instanceof RelayError) throw error;
      throw new RelayError(`relay: cannot serve ${port.id} on descriptor ${fd}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #open(port: PublishedPort, fd: number): TcpPort | UdpPort {
    const { clock, limits, sockets, crew } = this.environment;
    const service = { id: port.service, scheduler: port.scheduler, ...(port.policy && { policy: port.policy }) };
    const targets = new Targets(crew.balancing, service, clock, crew.secret, port.endpoints, crew.turnsOf(port.slot));
    const counters = this.#counters;
    if (port.protocol === 'udp') {
      return UdpPort.open(port, fd, this.environment.familyOf(fd), { targets, clock, counters, table: this.#table });
    }
    return new TcpPort(port, fd, {
      sockets,
      loop: this.#loop,
      copying: this.#copying,
      targets,
      targetPort: port.targetPort,
      proxyProtocol: port.proxyProtocol,
      connectTimeout: limits.connectTimeout,
      clock,
      counters,
      crew,
      maxConnections: limits.maxConnections,
      onAhead: (thread) => this.#leaveTo(thread),
    });
  }

  #leaveTo(thread: number): void {
    this.#isAhead = true;
    for (const port of this.#ports.values()) if (port instanceof TcpPort) port.pause();
    this.environment.crew.call(thread);
  }

  #listenAgain(): void {
    this.#isAhead = false;
    for (const port of this.#ports.values()) if (port instanceof TcpPort) port.listen();
  }
}

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino;
  } catch {
    return undefined;
  }
}
