/** A TCP connection of the simulation: what each side says and hears, and how it may end. */
import { seededRandom } from '../support/dns.js';
import { randomBytes } from './random-bytes.js';
import type { Host } from './host.js';
import type { TcpSocket, TcpState } from './tcp-socket.js';

export interface ConnectionPlan {
  readonly id: number;
  readonly service: string;
  /** Bytes that each side says, at least 4 from the client: the id. */
  readonly fromClient: number;
  readonly fromServer: number;
  /** Milliseconds of silence in the middle, 0 for none. */
  readonly pause: number;
  /** The server ends when it has said all; otherwise after the client did. */
  readonly serverEndsFirst: boolean;
}

/** What no other connection and no other side says. The first 4 bytes are the id. */
function streamOf(id: number, side: number, length: number): Buffer {
  const bytes = randomBytes(seededRandom(id * 2 + side), length);
  bytes.writeUInt32BE(id, 0);
  return bytes;
}

export class Connection {
  /** Hosts that a packet of the client was sent on to. */
  readonly servers = new Set<Host>();
  client?: TcpSocket;
  clientState: TcpState = 'syn-sent';
  wasOpen = false;
  #server?: TcpSocket;
  #toServer = 0;
  #toClient = 0;
  readonly #clientStream: Buffer;
  readonly #serverStream: Buffer;

  constructor(
    readonly plan: ConnectionPlan,
    readonly host: Host,
    private readonly parts: {
      readonly after: (ms: number, run: () => void) => void;
      readonly fail: (what: string) => never;
      /** A side was reset, or gave up. */
      readonly broken: (connection: Connection, side: 'client' | 'server', state: TcpState) => void;
    },
  ) {
    this.#clientStream = streamOf(plan.id, 0, plan.fromClient);
    this.#serverStream = streamOf(plan.id, 1, plan.fromServer);
  }

  get isDelivered(): boolean {
    return this.#toServer === this.plan.fromClient && this.#toClient === this.plan.fromServer;
  }

  get isOver(): boolean {
    return this.client !== undefined && (this.client.isOver || this.client.state === 'time-wait' || !this.host.isAlive);
  }

  open(socket: TcpSocket): void {
    this.client = socket;
    const { pause } = this.plan;
    socket.keepAlive = pause === 0;
    socket.owner = {
      received: (bytes) => {
        this.#compare(bytes, this.#serverStream, this.#toClient, 'client');
        this.#toClient += bytes.length;
      },
      ended: () => undefined,
      changed: (state) => {
        this.clientState = state;
        if (state === 'open') this.wasOpen = true;
        if (state === 'time-wait' || state === 'closed') {
          if (!this.isDelivered) this.parts.fail(`connection ${this.plan.id} closed in order, ${this.#toServer} and ${this.#toClient} bytes delivered of ${JSON.stringify(this.plan)}`);
        } else if (state !== 'open') {
          this.parts.broken(this, 'client', state);
        }
      },
    };
    const half = pause === 0 ? this.plan.fromClient : Math.max(4, this.plan.fromClient >> 1);
    socket.write(this.#clientStream.subarray(0, half));
    if (half === this.plan.fromClient && pause === 0) return socket.end();
    this.parts.after(pause, () => {
      socket.keepAlive = true;
      socket.write(this.#clientStream.subarray(half));
      socket.end();
    });
  }

  /** A server's socket has heard the id: it is one of this connection's ends. */
  serve(socket: TcpSocket, host: Host): void {
    if (this.#server !== undefined) this.parts.fail(`connection ${this.plan.id} has two servers`);
    this.#server = socket;
    socket.keepAlive = this.plan.pause === 0;
    if (this.plan.pause !== 0) this.parts.after(this.plan.pause, () => (socket.keepAlive = true));
    if (!this.servers.has(host)) this.parts.fail(`connection ${this.plan.id} is served by a host that it was not sent to`);
    socket.write(this.#serverStream);
    if (this.plan.serverEndsFirst) socket.end();
  }

  heardByServer(bytes: Buffer): void {
    this.#compare(bytes, this.#clientStream, this.#toServer, 'server');
    this.#toServer += bytes.length;
  }

  serverChanged(state: TcpState): void {
    if (state === 'reset' || state === 'timed-out') this.parts.broken(this, 'server', state);
  }

  #compare(bytes: Buffer, stream: Buffer, at: number, side: string): void {
    if (!bytes.equals(stream.subarray(at, at + bytes.length))) this.parts.fail(`connection ${this.plan.id}: the ${side} was told what was not said, at byte ${at}`);
  }
}
