/**
 * The way to etcd from the inner process of a rootless agent, whose network namespace leads nowhere: an HTTP proxy (RFC 9110 §9.3.6, CONNECT) on
 * its loopback, for its own client of etcd. What comes out is a connection of the host's namespace that the gateway has made. Names are
 * resolved out there, and TLS goes through, so that the store is who its certificate says and no other.
 */
import { closeSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Socket, type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostGateway } from '../host-gateway.js';

export class StoreProxy {
  readonly #open = new Set<Duplex>();

  private constructor(
    private readonly server: Server,
    private readonly gateway: Pick<HostGateway, 'connectTcp'>,
    private readonly members: readonly string[],
  ) {
    server.on('connect', (request, client, head) => void this.#serve(request, client, head));
  }

  /** `members`: `host:port`, to which alone it leads. */
  static async begin(gateway: Pick<HostGateway, 'connectTcp'>, members: readonly string[]): Promise<StoreProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new StoreProxy(server, gateway, members.map(bare));
  }

  /** `http://127.0.0.1:41234` */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Ends every connection. */
  close(): void {
    this.server.close();
    for (const socket of this.#open) socket.destroy();
  }

  async #serve({ url = '' }: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    this.#follow(client);
    if (!this.members.includes(bare(url))) return refuse(client, '403 Forbidden');
    const colon = url.lastIndexOf(':');
    let fd: number;
    try {
      fd = await this.gateway.connectTcp(bare(url.slice(0, colon)), Number(url.slice(colon + 1)));
    } catch {
      // Which of etcd's members is asked next, and what is said of it, is for its client to decide.
      return refuse(client, '502 Bad Gateway');
    }
    // It had not the patience, or nobody is to be served any more.
    if (client.destroyed) return closeSync(fd);
    const host = new Socket({ fd, allowHalfOpen: true });
    this.#follow(host);
    client.once('close', () => host.destroy());
    host.once('close', () => client.destroy());
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length > 0) host.write(head);
    client.pipe(host).pipe(client);
  }

  #follow(socket: Duplex): void {
    this.#open.add(socket);
    socket.on('error', () => undefined).once('close', () => this.#open.delete(socket));
  }
}

function refuse(client: Duplex, status: string): void {
  client.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
}

/** `[2001:db8::1]:2379` is also written without brackets. */
const bare = (text: string): string => text.replace(/[[\]]/g, '');
