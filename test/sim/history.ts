/**
 * One history of a simulated network, drawn from a seed: clients, servers, links that do what links do, endpoints that come
 * and go, one or three workers. Every byte that is delivered is compared with what was sent; every connection must come to an
 * end, in order unless there was cause; at the end nothing may be left over. Throws SimError.
 */
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../proxy/config/snapshot.js';
import type { CounterName } from '../../proxy/dataplane/counters.js';
import { ipv6Of, makeShared, Mesh, snapshot } from '../support/mesh.js';
import { seededRandom } from '../support/dns.js';
import { Connection } from './connection.js';
import { Datagrams } from './datagrams.js';
import { EventQueue } from './event-queue.js';
import { Host, type HostOptions } from './host.js';
import { Router } from './router.js';
import { Services } from './services.js';
import type { TcpSocket, TcpState } from './tcp-socket.js';

export class SimError extends Error {
  override readonly name = 'SimError';
}

/** Virtual milliseconds. */
const BUSY = 25_000;
const LIMIT = 900_000;
/** More than several times over a link, and a sweep. */
const SOON = 1000;
const PORT = 80;
const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const;
/** Seconds; below every pause. */
const SHORT_ESTABLISHED = 12;

/** What came of histories: sums of all counters, and of how connections ended. */
export type Outcome = Record<string, number>;

export function runHistory(seed: number): Outcome {
  return new History(seed).run();
}

/** Inputs that make up a history, as the fuzzer counts. */
const INPUTS = 300;

/** Fuzz target: as many histories as `iterations` packets make, from `seed` on. Answers the sums of their outcomes. */
export function fuzzSim(seed: number, iterations: number): Outcome {
  const sums: Outcome = {};
  for (let i = 0; i < Math.ceil(iterations / INPUTS); i++) {
    for (const [name, value] of Object.entries(runHistory(seed + i))) sums[name] = (sums[name] ?? 0) + value;
  }
  return sums;
}

class History {
  readonly #random: () => number;
  readonly #queue = new EventQueue();
  readonly #meshes: readonly Mesh[];
  readonly #router: Router;
  readonly #services: Services;
  readonly #clients: readonly Host[];
  readonly #all: Host[] = [];
  readonly #connections: Connection[] = [];
  readonly #byEnds = new Map<string, Connection>();
  readonly #outcome: Outcome = { complete: 0, reset: 0, refused: 0 };
  readonly #isTight: boolean;
  readonly #isShort: boolean;
  /** Links lose and reorder. */
  readonly #isBad: boolean;
  readonly #datagrams: Datagrams;

  constructor(private readonly seed: number) {
    const random = (this.#random = seededRandom(seed));
    const bad = (this.#isBad = random() < 0.7);
    const quality = {
      loss: bad ? random() * 0.15 : 0,
      duplicate: bad ? random() * 0.1 : 0,
      reorder: bad ? random() * 0.3 : 0,
      delay: 1 + random() * 30,
      detour: 5 + random() * 150,
    };
    const count = random() < 0.5 ? 1 : 3;
    const isSmall = random() < 0.15;
    const maxConnections = random() < 0.1 ? 2 : 0;
    this.#isTight = isSmall || maxConnections > 0;
    this.#isShort = random() < 0.3;
    const shared = makeShared();
    const config = snapshot(1, []);
    this.#meshes = Array.from({ length: count }, (_, index) => new Mesh({ maxFlows: isSmall ? 4 : 256, config, worker: { index, count }, shared }));
    const queue = this.#queue;
    const fail = (what: string): never => this.#fail(what);
    this.#router = new Router({
      queue,
      random,
      quality,
      meshes: this.#meshes,
      fail,
      isTight: this.#isTight,
      sweeps: !bad || random() < 0.5,
      forwarded: (packet, host) => this.#byEnds.get(`${packet.fromText} ${packet.sourcePort} ${packet.toText}`)?.servers.add(host),
    });
    const scheduler = SCHEDULERS[Math.floor(random() * SCHEDULERS.length)]!;
    const policy = { ...DEFAULT_POLICY, maxConnections, affinity: random() < 0.2 ? 10 : 0, ejectAfter: Math.floor(random() * 4), ejectFor: 3000 };
    const timeouts = this.#isShort ? { established: SHORT_ESTABLISHED, transitory: 10, closed: 5, udp: 2, icmp: 2 } : DEFAULT_TIMEOUTS;
    this.#services = new Services({
      queue,
      random,
      meshes: this.#meshes,
      start: (service, address) => this.#startServer(service, address),
      unlisted: (host) => this.#unlisted(host),
    }, { scheduler, policy, timeouts });
    this.#clients = [40, 41, 42].map((host) => this.#start(`10.0.1.${host}`, {}));
    this.#datagrams = new Datagrams({ queue, random, fail });
    for (const mesh of this.#meshes) mesh.apply(this.#services.configs());
  }

  run(): Outcome {
    const random = this.#random;
    const queue = this.#queue;
    try {
      for (let i = 1 + Math.floor(random() * 12); i > 0; i--) queue.after(random() * BUSY, () => this.#connect());
      for (let i = Math.floor(random() * 4); i > 0; i--) queue.after(random() * BUSY, () => this.#converse());
      for (let i = Math.floor(random() * 6); i > 0; i--) queue.after(random() * BUSY, () => this.#services.change());
      this.#tick();
      while (queue.step()) if (queue.now > LIMIT) this.#fail(`not over after ${LIMIT} ms: ${this.#unfinished()}`);
      this.#settle();
    } catch (error) {
      throw error instanceof SimError ? error : new SimError(`sim seed ${this.seed}, at ${queue.now} ms: ${error instanceof Error ? error.stack : String(error)}`);
    }
    return this.#outcome;
  }

  #fail(what: string): never {
    throw new SimError(`sim seed ${this.seed}, at ${this.#queue.now} ms: ${what}`);
  }

  #tick(): void {
    this.#router.tick();
    if (this.#queue.now < BUSY + 15_000 || this.#unfinished() !== '') this.#queue.after(200, () => this.#tick());
  }

  #unfinished(): string {
    const open = this.#connections.filter((connection) => !connection.isOver).map(({ plan, clientState }) => `connection ${plan.id} is ${clientState}`);
    const left = this.#all.filter((host) => host.isAlive && host.open() > 0).map((host) => `${host.open()} sockets at ${host.options.addresses[0]}`);
    return [...open, ...left].join('; ');
  }

  #start(address: string, options: Omit<HostOptions, 'addresses' | 'incarnation'>): Host {
    const addresses = [address, ipv6Of(address)];
    const parts = { queue: this.#queue, random: this.#random, transmit: (_: Host, frame: Buffer) => this.#router.send(frame), fail: (what: string): never => this.#fail(what) };
    const host = new Host(parts, { addresses, incarnation: this.#all.length, ...options });
    this.#all.push(host);
    for (const text of addresses) this.#router.hosts.set(text, host);
    return host;
  }

  #startServer(service: string, address: string): Host {
    return this.#start(address, {
      accept: (host, make) => this.#accept(service, host, make()),
      serve: (host, datagram, payload) => this.#datagrams.serve(service, host, datagram, payload),
    });
  }

  #accept(service: string, host: Host, socket: TcpSocket): TcpSocket {
    if (socket.ends.localPort !== PORT) this.#fail(`a SYN for port ${socket.ends.localPort}`);
    let connection: Connection | undefined;
    let early = Buffer.alloc(0);
    socket.owner = {
      received: (bytes) => {
        if (connection) return connection.heardByServer(bytes);
        early = Buffer.concat([early, bytes]);
        if (early.length < 4) return;
        connection = this.#connections[early.readUInt32BE(0)];
        if (connection?.plan.service !== service) return this.#fail(`${service} was told of connection ${early.readUInt32BE(0)}`);
        connection.serve(socket, host);
        connection.heardByServer(early);
      },
      ended: () => socket.end(),
      changed: (state) => connection?.serverChanged(state),
    };
    return socket;
  }

  #connect(): void {
    const random = this.#random;
    const { name, vip, places } = this.#services.all[Math.floor(random() * 2)]!;
    // Now and then a server that reaches itself through its VIP.
    const hairpin = places[0]!.host;
    const host = random() < 0.15 && hairpin.isAlive ? hairpin : this.#clients[Math.floor(random() * this.#clients.length)]!;
    const v6 = random() < 0.4 ? 1 : 0;
    const remote = v6 ? ipv6Of(vip) : vip;
    // So few that they come up again.
    const localPort = 40_000 + Math.floor(random() * 12);
    if (!host.isFree(remote, PORT, localPort)) return this.#queue.after(500, () => this.#connect());
    const size = () => 4 + Math.floor(random() ** 2 * 6000);
    const pause = random() < 0.3 ? SHORT_ESTABLISHED * 1000 + 10_000 : 0;
    const plan = { id: this.#connections.length, service: name, fromClient: size(), fromServer: size(), pause, serverEndsFirst: random() < 0.4 };
    const connection = new Connection(plan, host, {
      after: (ms, run) => this.#queue.after(ms, run),
      fail: (what) => this.#fail(what),
      broken: (broken, side, state) => this.#broken(broken, side, state),
    });
    this.#connections.push(connection);
    this.#byEnds.set(`${host.options.addresses[v6]} ${localPort} ${remote}`, connection);
    connection.open(host.connect({ local: host.options.addresses[v6]!, localPort, remote, remotePort: PORT }));
  }

  #converse(): void {
    const { name, vip } = this.#services.all[Math.floor(this.#random() * 2)]!;
    this.#datagrams.start(this.#clients[Math.floor(this.#random() * this.#clients.length)]!, name, vip);
  }

  /** Where no packet is lost, the clients of a server that is gone are told at once, and silent ones too. */
  #unlisted(server: Host): void {
    if (this.#isBad) return;
    const hit = this.#connections.filter(({ servers, clientState, client }) => [...servers].at(-1) === server && clientState === 'open' && !client!.isOver);
    this.#queue.after(SOON, () => {
      for (const { plan, clientState, host } of hit) if (clientState === 'open' && host.isAlive) this.#fail(`connection ${plan.id} is not told that its server is gone`);
    });
  }

  /** A connection does not end in order. May it? */
  #broken(connection: Connection, side: string, state: TcpState): void {
    const { plan, host, clientState, wasOpen, servers } = connection;
    const serverGone = [...servers].some((server) => this.#services.gone.has(server));
    const clientGone = !host.isAlive || clientState === 'reset' || clientState === 'closed' || clientState === 'time-wait';
    if (state === 'timed-out') {
      // Only who speaks to a host that is no more hears nothing for so long.
      if (side === 'client' || host.isAlive) this.#fail(`connection ${plan.id}: the ${side} hangs`);
      return;
    }
    if (side === 'client') this.#outcome[wasOpen ? 'reset' : 'refused']! += 1;
    const expired = plan.pause > 0 && this.#isShort;
    const nowhere = !wasOpen && this.#services.changes > 0;
    if (serverGone || expired || nowhere || this.#isTight || connection.isDelivered || (side === 'server' && clientGone)) return;
    this.#fail(`connection ${plan.id}: the ${side} was reset without cause; ${JSON.stringify(plan)}`);
  }

  /** Everybody is done: what should be left is nothing. */
  #settle(): void {
    this.#outcome.complete = this.#connections.filter((connection) => connection.clientState === 'closed').length;
    let received = 0;
    let handedOver = 0;
    for (const mesh of this.#meshes) {
      if (mesh.unaccounted() !== 0) this.#fail(`${mesh.unaccounted()} packets are not accounted for: ${JSON.stringify(mesh.nonZero())}`);
      received += mesh.count('receivedPackets');
      handedOver += mesh.count('handedOver');
      mesh.wait(8_000_000);
      if (mesh.table.size !== 0) this.#fail(`${mesh.table.size} flows outlived their time`);
      mesh.apply([]);
      // Of the network's own there is the balancer address.
      if (mesh.book.size !== 1) this.#fail(`${mesh.book.size} IPv6 addresses are still held`);
      for (const [name, value] of Object.entries(mesh.nonZero())) this.#outcome[name] = (this.#outcome[name as CounterName] ?? 0) + value;
    }
    if (received !== this.#router.injected + handedOver) this.#fail(`${received} packets received of ${this.#router.injected} sent and ${handedOver} handed over`);
    const { stats } = this.#meshes[0]!;
    for (const { host, isListed } of this.#services.all.flatMap(({ places }) => places)) {
      const row = host.options.incarnation;
      if (isListed && (stats.active(row) !== 0 || stats.inactive(row) !== 0)) this.#fail(`${stats.active(row)} active and ${stats.inactive(row)} inactive flows counted at the end`);
    }
    this.#datagrams.settle(this.#outcome);
  }
}
