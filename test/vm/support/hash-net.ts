/**
 * A network for test/vm/scenarios/hashing.ts: a router, 1,000 clients and some endpoints. The clients are addresses of one namespace,
 * the endpoints of another, and all sockets are this process's own: a process start is dear in a guest, a datagram is not.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { ipBatch, setSysctl } from '../../../kernel/netns/links.js';
import { createNamespace } from '../../../kernel/netns/netns.js';
import type { OffloadService } from '../../../kernel/offload/driver.js';
import { bindUdp } from '../../../kernel/netns/sockets.js';
import { formatIpv4, parseIpv4 } from '../../../proxy/net/addr.js';
import { pollUntil } from '../../support/poll-until.js';

export const SUBNET = '10.0.1.0/24';
export const VIP = '10.0.1.2';
export const BALANCER = '10.0.1.3';

/** Half of them neighbours, as tasks of a network are; half of them from anywhere in 10.64.0.0/10. */
export const CLIENTS: readonly string[] = Array.from({ length: 1000 }, (_, i) =>
  formatIpv4(i % 2 === 0 ? parseIpv4('10.9.0.1') + i : parseIpv4('10.64.0.1') + (Math.imul(i, 0x9e3779b1) & 0x3ffffe)),
);
/** Datagrams under way: fewer than a socket's receive buffer holds. */
const AT_ONCE = 100;

export class HashNet {
  readonly router = createNamespace('/run/netns', 'router');
  readonly #client = createNamespace('/run/netns', 'client');
  readonly #server = createNamespace('/run/netns', 'server');
  readonly #endpoints: readonly string[];
  readonly #clients: dgram.Socket[] = [];
  /** A port for each round, so that every datagram is a new flow. */
  #port = 5000;
  /** Who answered, by client. */
  #answers: (string | undefined)[] = [];

  /** @param endpoints addresses */
  static async create(endpoints: readonly string[]): Promise<HashNet> {
    const net = new HashNet(endpoints);
    await net.#setUp();
    return net;
  }

  private constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints;
  }

  async #setUp(): Promise<void> {
    const { router } = this;
    for (const [namespace, name, addresses] of [[this.#client, 'c', CLIENTS], [this.#server, 's', this.#endpoints]] as const) {
      await ipBatch(router, [`link add ${name} type veth peer name eth0 netns ${namespace.path}`, `addr add 169.254.0.1/32 dev ${name}`, `link set ${name} up`]);
      await ipBatch(namespace, [
        'link set lo up',
        'link set eth0 up',
        ...addresses.map((address) => `addr add ${address}/32 dev lo`),
        'route add 169.254.0.1/32 dev eth0',
        'route add default via 169.254.0.1 dev eth0 onlink',
      ]);
    }
    await ipBatch(router, [
      'link set lo up',
      'route add 10.0.0.0/8 dev c',
      ...this.#endpoints.map((address) => `route add ${address}/32 dev s`),
    ]);
    setSysctl(router, 'net/ipv4/ip_forward', '1');
    for (const [i, address] of CLIENTS.entries()) {
      const socket = await this.#socket(bindUdp(this.#client, address, 4000));
      socket.on('message', (answer) => (this.#answers[i] = answer.toString()));
      this.#clients.push(socket);
    }
  }

  async #socket(fd: number): Promise<dgram.Socket> {
    const socket = dgram.createSocket('udp4');
    const listening = once(socket, 'listening');
    socket.bind({ fd });
    await listening;
    return socket;
  }

  /** What the clients will ask for: one port where the endpoints have one of their own, otherwise any. */
  published(targetPort: number): Pick<OffloadService, 'port'> {
    return targetPort === 0 ? {} : { port: { protocol: 'udp', number: this.#port } };
  }

  /** Which endpoint answers each client, in a flow that is new. Endpoints are heard at `targetPort`; 0: at what the clients ask for. */
  async answers(targetPort: number): Promise<string[]> {
    const port = this.#port++;
    const servers: dgram.Socket[] = [];
    for (const address of this.#endpoints) {
      const server = await this.#socket(bindUdp(this.#server, address, targetPort === 0 ? port : targetPort));
      server.on('message', (_, peer) => server.send(address, peer.port, peer.address));
      servers.push(server);
    }
    this.#answers = CLIENTS.map(() => undefined);
    for (let from = 0; from < CLIENTS.length; from += AT_ONCE) {
      const batch = this.#clients.slice(from, from + AT_ONCE);
      for (const socket of batch) socket.send('who?', port, VIP);
      await pollUntil(`clients ${from} and ${AT_ONCE - 1} more are answered`, () => batch.every((_, i) => this.#answers[from + i] !== undefined), { timeout: 60_000, interval: 5 });
    }
    for (const server of servers) server.close();
    return this.#answers as string[];
  }

  close(): void {
    for (const socket of this.#clients) socket.close();
    for (const namespace of [this.router, this.#client, this.#server]) namespace.remove();
  }
}
