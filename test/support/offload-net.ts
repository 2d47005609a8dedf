/**
 * A network sandbox with its userspace balancer, endpoints and clients, for what offloads services in it. All in this process:
 * servers and clients have their sockets in the tasks' namespaces, so that a slow machine starts no process for them.
 *
 * TCP 7 of an endpoint greets with `ID CLIENT-ADDRESS:PORT` and echoes. UDP 7 answers `ID TEXT`, unless the text begins with
 * `quiet`; what every endpoint has heard is in `heard`.
 */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import fs, { mkdtempSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { startDataplane } from '../../agent/dataplane/start.js';
import { NetworkSandbox } from '../../agent/sandbox/network-sandbox.js';
import { bindUdp, listenTcp } from '../../kernel/netns/sockets.js';
import { createNamespace, listNamespaces, type Namespace } from '../../kernel/netns/netns.js';
import type { UserspaceFlow } from '../../kernel/offload/driver.js';
import type { Dataplane } from '../../proxy/dataplane/handle.js';
import { formatIpv4, parseIpv4 } from '../../proxy/net/addr.js';
import { pollUntil } from './poll-until.js';
import { connectIn, Stream } from './offload-stream.js';

export const SUBNET = '10.0.1.0/24';
export const BALANCER = '10.0.1.250';
export const VIP = '10.0.1.2';
/** Of a published port; userspace has nobody there. */
export const PORT_VIP = '10.0.1.3';
export const PORT = 7;
export const ENDPOINTS = { a: '10.0.1.5', b: '10.0.1.6', c: '10.0.1.7' } as const;
export const CLIENTS = { client: '10.0.1.9', other: '10.0.1.10' } as const;

export type EndpointId = keyof typeof ENDPOINTS;
export type ClientId = keyof typeof CLIENTS;

const NETWORK = 7;
const GATEWAY = '10.0.1.1';
const MTU = 1450;
export const PATIENCE = { timeout: 60_000 } as const;

export interface Heard {
  readonly by: string;
  /** Address and port, as the endpoint sees them. */
  readonly from: string;
  readonly text: string;
}

export class OffloadNet {
  readonly heard: Heard[] = [];
  #epoch = 1;
  readonly #servers: (() => void)[] = [];
  readonly #clients: (() => void)[] = [];

  private constructor(
    readonly directory: string,
    readonly dataplane: Dataplane,
    readonly sandbox: NetworkSandbox,
    readonly tasks: Readonly<Record<EndpointId | ClientId, Namespace>>,
  ) {}

  static async create(): Promise<OffloadNet> {
    const directory = mkdtempSync(join(os.tmpdir(), 'netns-'));
    const dataplane = await startDataplane();
    const sandbox = await NetworkSandbox.create({ directory, name: 'vm-net', subnet: SUBNET, gateway: GATEWAY, balancer: BALANCER, mtu: MTU, queues: dataplane.workers });
    const addresses = Object.entries({ ...ENDPOINTS, ...CLIENTS });
    const tasks = Object.fromEntries(addresses.map(([id]) => [id, createNamespace(directory, `vm-${id}`)])) as OffloadNet['tasks'];
    const made = new OffloadNet(directory, dataplane, sandbox, tasks);
    await made.serve({ a: 1, b: 1 });
    await dataplane.attach(NETWORK, sandbox.tunFds);
    await sandbox.setVips([VIP, PORT_VIP]);
    for (const [id, address] of addresses) await sandbox.attachTask(tasks[id as EndpointId], { id, interface: 'eth0', address });
    for (const id of Object.keys(ENDPOINTS)) made.#listen(id as EndpointId);
    return made;
  }

  /** Gives userspace the endpoints of VIP with their weights; those that are missing are dead. */
  async serve(weights: Partial<Record<EndpointId, number>>): Promise<void> {
    const endpoints = Object.entries(weights).map(([id, weight]) => ({ id, address: parseIpv4(ENDPOINTS[id as EndpointId]), weight }));
    const service = (name: string, vip: string, of: typeof endpoints): object => ({ id: name, name, vip: parseIpv4(vip), scheduler: 'rr', endpoints: of });
    const services = [service('vote', VIP, endpoints), service('published', PORT_VIP, [])] as never;
    await this.dataplane.apply({ epoch: ++this.#epoch, networks: [{ index: NETWORK, id: 'n1', name: 'overlay1', balancer: parseIpv4(BALANCER), mtu: MTU, services }] });
  }

  #listen(id: EndpointId): void {
    const server = net.createServer((connection) => {
      connection.on('error', () => connection.destroy());
      connection.write(`${id} ${connection.remoteAddress}:${connection.remotePort}\n`);
      connection.pipe(connection);
    });
    server.listen({ fd: listenTcp(this.tasks[id], '0.0.0.0', PORT) });
    const socket = dgram.createSocket('udp4');
    socket.on('message', (message, from) => {
      const text = message.toString();
      this.heard.push({ by: id, from: `${from.address}:${from.port}`, text });
      if (!text.startsWith('quiet')) socket.send(`${id} ${text}`, from.port, from.address);
    });
    socket.bind({ fd: bindUdp(this.tasks[id], '0.0.0.0', PORT) });
    this.#servers.push(() => server.close(), () => socket.close());
  }

  /** A connection of its own, established and greeted. Throws an error with a code when it is refused. */
  async connect({ from = 'client', address = VIP, port = PORT, localPort = 0 }: { from?: ClientId | EndpointId; address?: string; port?: number; localPort?: number } = {}): Promise<Stream> {
    const stream = new Stream(connectIn(this.tasks[from], address, port, localPort));
    this.#clients.push(() => stream.close());
    await stream.greeted;
    return stream;
  }

  /** Endpoints of so many connections, one after the other, each closed before the next. */
  async picks(count: number, options: Parameters<OffloadNet['connect']>[0] = {}): Promise<string> {
    let order = '';
    for (let i = 0; i < count; i++) {
      const stream = await this.connect(options);
      order += stream.by;
      await stream.end();
    }
    return order;
  }

  /** A client of UDP with a port of its own. */
  datagrams(from: ClientId = 'client', address = VIP, port = PORT): Datagrams {
    const made = new Datagrams(this, bindUdp(this.tasks[from], '0.0.0.0', 0), address, port);
    this.#clients.push(() => made.close());
    return made;
  }

  /** What userspace has of VIP, once flows from these ports of clients are among it. */
  async userspaceFlows(...ports: readonly number[]): Promise<UserspaceFlow[]> {
    const flows = await pollUntil(`userspace has flows from ${ports.join(', ')}`, () => {
      const found = this.dataplane.silentFlows(NETWORK, parseIpv4(VIP), 0);
      return ports.every((port) => found.some(({ clientPort }) => clientPort === port)) ? found : undefined;
    }, PATIENCE);
    return flows.map((flow) => ({ ...flow, client: formatIpv4(flow.client), endpoint: formatIpv4(flow.endpoint), virtual: VIP, virtualPort: flow.vipPort }));
  }

  /** Packets that came to userspace so far. */
  get packets(): number {
    return this.dataplane.counters().receivedPackets ?? 0;
  }

  /** Closes all clients, and begins a new account of what was heard. */
  async rest(): Promise<void> {
    for (const close of this.#clients.splice(0)) close();
    this.heard.length = 0;
    await this.serve({ a: 1, b: 1 });
  }

  async close(): Promise<void> {
    for (const close of [...this.#clients, ...this.#servers]) close();
    await this.dataplane.detach(NETWORK).catch(() => undefined);
    await this.dataplane.close();
    await this.sandbox.destroy();
    for (const task of Object.values(this.tasks)) task.remove();
    assert.deepEqual(listNamespaces(this.directory, ''), []);
    fs.rmSync(this.directory, { recursive: true });
  }
}

export class Datagrams {
  readonly #socket = dgram.createSocket('udp4');
  readonly #answers: string[] = [];
  readonly #net: OffloadNet;
  readonly #to: readonly [number, string];
  #sent = 0;

  constructor(offloadNet: OffloadNet, fd: number, address: string, port: number) {
    this.#net = offloadNet;
    this.#to = [port, address];
    this.#socket.on('message', (message) => this.#answers.push(message.toString()));
    // A refusal by ICMP is told to the next one who sends.
    this.#socket.on('error', () => undefined);
    this.#socket.bind({ fd });
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends one and answers who answered it. */
  async ask(): Promise<string> {
    const text = `${this.port} ${++this.#sent}`;
    this.#socket.send(text, ...this.#to);
    const answer = await pollUntil(`an answer to ${text}`, () => this.#answers.find((one) => one.endsWith(` ${text}`)), PATIENCE);
    return answer.slice(0, 1);
  }

  /** Sends one that nobody answers, and tells who heard it. */
  async tell(): Promise<string> {
    const text = `quiet ${this.port} ${++this.#sent}`;
    this.#socket.send(text, ...this.#to);
    return (await pollUntil(`that ${text} is heard`, () => this.#net.heard.find((one) => one.text === text), PATIENCE)).by;
  }

  close(): void {
    this.#socket.close();
  }
}
