/**
 * The inner half of a rootless agent's host gateway: asks the outer process, which is in the host's network namespace, for sockets. What
 * is done with them is done here: so it is this process that asks the host's resolvers.
 */
import { closeSync } from 'node:fs';
import { closeOnExec } from '../../kernel/ffi/libc.js';
import { receiveDescriptors } from '../../kernel/run/descriptor-channel.js';
import { ConnectError, ListenError, type HostGateway } from '../host-gateway.js';
import { asOuterMessage, DESCRIPTOR_CHANNEL, GatewayError, type GatewayCall, type InnerMessage, type OuterMessage } from './protocol.js';
import { ResolvConf } from './resolv-conf.js';
import { SocketPool } from './socket-pool.js';
import { Upstream, type UpstreamOptions } from './upstream.js';

/** The channel to the parent: the `process` of a child started with one, or a stand-in. */
export interface ParentChannel {
  readonly connected: boolean;
  send?(message: unknown, callback: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'disconnect', listener: () => void): unknown;
}

type Reply = Exclude<OuterMessage, { gateway: 'failed' }>;

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class RemoteGateway implements HostGateway {
  readonly #pending = new Map<number, Pending>();
  /** Sockets by the call that they answer. */
  readonly #arrived = new Map<number, readonly number[]>();
  readonly #disconnectListeners: (() => void)[] = [];
  readonly #onMessage = (message: unknown): void => this.#receive(message);
  readonly #onDisconnect = (): void => {
    this.#fail('the outer process is gone');
    for (const listener of this.#disconnectListeners) listener();
  };
  readonly #pool = new SocketPool((protocol, family, count) => this.#obtain({ method: 'sockets', protocol, family, count }));
  readonly #upstream: Upstream;
  #calls = 0;
  #closed: GatewayError | undefined;

  /** `descriptors`: this process's end of the descriptor channel. The file with the resolvers is the host's: it is in this mount namespace, too. */
  constructor(
    private readonly channel: ParentChannel,
    private readonly descriptors: number,
    upstream: Partial<UpstreamOptions> = {},
  ) {
    const resolvConf = new ResolvConf();
    this.#upstream = new Upstream({ servers: () => resolvConf.servers(), open: (protocol, family) => this.#pool.take(protocol, family), ...upstream });
    channel.on('message', this.#onMessage);
    channel.on('disconnect', this.#onDisconnect);
    if (!channel.connected) this.#fail('this process has no channel to an outer one');
  }

  /** Calls `listener` once the outer process is gone, which is never undone. */
  onDisconnect(listener: () => void): void {
    this.#disconnectListeners.push(listener);
  }

  listenTcp(address: string | undefined, port: number): Promise<number> {
    return this.#obtainKept('listenTcp', 'tcp', address, port);
  }

  bindUdp(address: string | undefined, port: number): Promise<number> {
    return this.#obtainKept('bindUdp', 'udp', address, port);
  }

  async release(protocol: 'tcp' | 'udp', address: string | undefined, port: number): Promise<void> {
    await this.#call({ method: 'release', protocol, ...(address !== undefined && { address }), port });
  }

  connectTcp(host: string, port: number): Promise<number> {
    return this.#obtainOne({ method: 'connectTcp', host, port });
  }

  resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    return this.#upstream.resolve(query, protocol);
  }

  async routes(): Promise<string> {
    const reply = await this.#call({ method: 'routes' });
    if (reply.gateway !== 'routes') throw new GatewayError(`gateway: the outer process answered '${reply.gateway}' for routes`);
    return reply.routes;
  }

  async underlayMtu(own?: string): Promise<number> {
    const reply = await this.#call({ method: 'underlayMtu', ...(own !== undefined && { own }) });
    if (reply.gateway !== 'mtu') throw new GatewayError(`gateway: the outer process answered '${reply.gateway}' for an MTU`);
    return reply.mtu;
  }

  /** Stops listening to the IPC channel, which stays open: it is not only ours. */
  close(): Promise<void> {
    this.channel.off('message', this.#onMessage);
    this.channel.off('disconnect', this.#onDisconnect);
    this.#upstream.close();
    this.#pool.close();
    this.#fail('closed');
    return Promise.resolve();
  }

  /** One that the outer process keeps: it is asked to let go of what did not arrive, which would be taken when it is asked for again. */
  async #obtainKept(method: 'listenTcp' | 'bindUdp', protocol: 'tcp' | 'udp', address: string | undefined, port: number): Promise<number> {
    try {
      return await this.#obtainOne({ method, ...(address !== undefined && { address }), port });
    } catch (error) {
      if (error instanceof GatewayError) await this.release(protocol, address, port).catch(() => undefined);
      throw error;
    }
  }

  async #obtainOne(call: GatewayCall): Promise<number> {
    const [fd] = await this.#obtain(call);
    return fd as number;
  }

  /** At least one. */
  async #obtain(call: GatewayCall): Promise<readonly number[]> {
    const reply = await this.#call(call);
    const found = this.#arrived.get(reply.id) ?? [];
    this.#arrived.delete(reply.id);
    if (found.length === 0) throw new GatewayError('gateway: a socket of the outer process did not arrive: see the limit on open files (ulimit -n)');
    return found;
  }

  #call(call: GatewayCall): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      const id = ++this.#calls;
      this.#pending.set(id, { resolve, reject });
      const message: InnerMessage = { gateway: 'call', id, call };
      // A failure to send is a channel that is closing: 'disconnect' follows and rejects what is pending.
      if (this.channel.connected) this.channel.send?.(message, () => undefined);
    });
  }

  #receive(received: unknown): void {
    const reply = asOuterMessage(received);
    if (!reply) return;
    // What belongs to this reply was sent before it, and so has arrived.
    for (let sent = receiveDescriptors(this.descriptors); sent !== undefined; sent = receiveDescriptors(this.descriptors)) this.#arrived.set(sent.tag, sent.descriptors);
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (reply.gateway !== 'failed') pending?.resolve(reply);
    else pending?.reject(errorOf(reply.error, reply.message));
  }

  #fail(reason: string): void {
    this.#closed ??= new GatewayError(`gateway: ${reason}`);
    for (const { reject } of this.#pending.values()) reject(this.#closed);
    this.#pending.clear();
    for (const descriptors of this.#arrived.values()) for (const fd of descriptors) closeSync(fd);
    this.#arrived.clear();
  }
}

function errorOf(name: string, message: string): Error {
  if (name === 'ListenError') return new ListenError(message);
  return name === 'ConnectError' ? new ConnectError(message) : new GatewayError(message);
}

/** The gateway to the process that started this one with both channels. Its calls reject with GatewayError if none did. */
export function connectOuterGateway(upstream: Partial<UpstreamOptions> = {}): RemoteGateway {
  if (process.connected) closeOnExec(DESCRIPTOR_CHANNEL);
  return new RemoteGateway(process, DESCRIPTOR_CHANNEL, upstream);
}
