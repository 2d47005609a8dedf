/**
 * A relay on loopback, in this process: endpoints are servers on 127.0.0.x, all on one port as the tasks of a service are.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import type { ExecutionContext } from 'ava';
import { bindUdp, listenTcp } from '../../../../kernel/netns/sockets.js';
import { socketFamily } from '../../../../kernel/netns/socket-info.js';
import { wasReset } from '../../../support/socket-reset.js';
import type { BalancingPolicy, EndpointConfig, Timeouts } from '../../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { SystemSockets } from '../../../../agent/relay/system-sockets.js';
import { RelayCore } from '../../../../proxy/relay/core.js';
import { allocateCrew, Crew } from '../../../../proxy/relay/crew.js';
import type { RelayChoice } from '../../../../proxy/relay/relay.js';
import { DEFAULT_LIMITS, type RelayAnswers, type RelayLimits, type RelayRequest } from '../../../../proxy/relay/messages.js';
import { systemClock, type Clock } from '../../../../proxy/time/clock.js';
import { closeSync, readFileSync, readlinkSync } from 'node:fs';
import { pollUntil } from '../../../support/poll-until.js';

export function endpoint(address: string, weight = 1): EndpointConfig {
  return { id: `task-${address}`, address: parseIpv4(address), weight };
}

/** The port that a bound descriptor has. */
export function portOf(fd: number, table: SocketTable): number {
  return Number.parseInt(rowOf(fd, table)[1]?.split(':')[1] ?? '', 16);
}

type SocketTable = 'tcp' | 'tcp6' | 'udp' | 'udp6';

/** A descriptor's row in /proc/net, found by its inode: local address second, `tx_queue:rx_queue` fifth (proc(5)). */
function rowOf(fd: number, table: SocketTable): string[] {
  const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0];
  for (const line of readFileSync(`/proc/self/net/${table}`, 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[9] === inode) return fields;
  }
  throw new Error(`no socket with inode ${inode} in ${table}`);
}

export class Rig {
  /** Answers as a thread does: later. */
  readonly core: { handle(request: RelayRequest): Promise<RelayAnswers[RelayRequest['kind']]> };
  readonly #t: ExecutionContext;

  constructor(t: ExecutionContext, limits: Partial<RelayLimits> = {}, clock: Clock = systemClock) {
    this.#t = t;
    const sockets = new SystemSockets();
    const crew = new Crew(allocateCrew(1, 'secret'), 0, () => undefined);
    const core = new RelayCore({ limits: { ...DEFAULT_LIMITS, ...limits }, clock, sockets, crew, familyOf: socketFamily });
    this.core = { handle: async (request) => Promise.resolve(core.handle(request)) };
    // Its sockets have their turns between those of Node's event loop, which the tests' own are on.
    const turns = setInterval(() => core.turn(0), 1);
    t.teardown(() => {
      clearInterval(turns);
      core.handle({ kind: 'close' });
      sockets.end();
    });
  }

  /** Publishes on 127.0.0.1 and answers the port. */
  async publish(protocol: 'tcp' | 'udp', targetPort: number, endpoints: EndpointConfig[], address = '127.0.0.1', policy?: BalancingPolicy, timeouts?: Timeouts): Promise<number> {
    const fd = protocol === 'tcp' ? listenTcp(undefined, address, 0) : bindUdp(undefined, address, 0);
    const port = portOf(fd, address.includes(':') ? `${protocol}6` : protocol);
    const choice: RelayChoice = { scheduler: 'rr', ...(policy && { policy }), ...(timeouts && { timeouts }) };
    await this.core.handle({ kind: 'publish', port: { id: protocol, protocol, service: 'vote', ...choice, targetPort, endpoints }, fd });
    return port;
  }

  async update(protocol: 'tcp' | 'udp', endpoints: EndpointConfig[], choice?: RelayChoice): Promise<void> {
    await this.core.handle({ kind: 'update', id: protocol, endpoints, ...(choice && { choice }) });
  }

  async counter(name: string): Promise<number> {
    const counters = (await this.core.handle({ kind: 'counters' })) as Record<string, number>;
    const value = counters[name];
    if (value === undefined) throw new Error(`no counter ${name}`);
    return value;
  }

  /** A TCP server on 127.0.0.x. Its sockets are open in both directions until the test closes them. */
  async serve(address: string, port: number, onConnection: (socket: Socket) => void): Promise<number> {
    const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      this.#t.teardown(() => socket.destroy());
      onConnection(socket);
    });
    server.listen(port, address);
    await once(server, 'listening');
    this.#t.teardown(() => server.close());
    return (server.address() as AddressInfo).port;
  }

  async serveUdp(address: string, port: number, onMessage: (data: Buffer, reply: (data: Buffer) => void) => void): Promise<DatagramSocket> {
    const socket = createSocket('udp4');
    socket.on('message', (data, from) => onMessage(data, (answer) => socket.send(answer, from.port, from.address)));
    socket.bind(port, address);
    await once(socket, 'listening');
    this.#t.teardown(() => {
      try {
        socket.close();
      } catch {
        // Closed by the test itself.
      }
    });
    return socket;
  }

  client(port: number, localAddress?: string): Client {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true, ...(localAddress && { localAddress }) });
    this.#t.teardown(() => socket.destroy());
    return new Client(socket);
  }
}

/** Says its name to every connection and echoes. */
export function greeter(name: string): (socket: Socket) => void {
  return (socket) => {
    socket.write(`hello from ${name}\n`);
    socket.pipe(socket);
  };
}

/** A listener that answers no SYN: its queue is full and nobody accepts. Resolves when that is so. */
export async function fullListener(t: { teardown(fn: () => void): void }, address: string): Promise<{ port: number }> {
  const fd = listenTcp(undefined, address, 0, 0);
  const port = portOf(fd, 'tcp');
  const fillers = [connect(port, address), connect(port, address), connect(port, address)];
  for (const socket of fillers) socket.on('error', () => undefined);
  t.teardown(() => {
    for (const socket of fillers) socket.destroy();
    closeSync(fd);
  });
  // Of a listener, rx_queue is how many wait to be accepted; with a backlog of 0 one is all there is room for.
  await pollUntil('the queue is full', () => Number.parseInt(rowOf(fd, 'tcp')[4]?.split(':')[1] ?? '', 16) > 0);
  return { port };
}

/** A TCP client that remembers what it got and how it ended. */
export class Client {
  received = Buffer.alloc(0);
  /** `end` after a FIN, otherwise the error's code. */
  readonly ended: Promise<string>;
  #wake: () => void = () => undefined;

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      socket.on('end', () => resolve(wasReset(socket) ? 'ECONNRESET' : 'end'));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  }

  /** Resolves when `text` has arrived, and rejects when nothing more will come. */
  async until(text: string): Promise<void> {
    let how: string | undefined;
    void this.ended.then((ended) => {
      how = ended;
      this.#wake();
    });
    while (!this.received.includes(text)) {
      if (how !== undefined) throw new Error(`'${text}' did not come: ${how}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
