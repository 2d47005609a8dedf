/**
 * The inner half of a rootless agent's host gateway: asks the outer process, which is in the host's network namespace.
 */
import { ListenError, type HostGateway } from '../host-gateway.js';
import { discard, unwrap } from './descriptor.js';
import { asOuterMessage, GatewayError, type GatewayCall, type InnerMessage, type OuterMessage } from './protocol.js';

/** The channel to the parent: the `process` of a child started with one, or a stand-in. */
export interface ParentChannel {
  readonly connected: boolean;
  send?(message: unknown, callback: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  off(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
  off(event: 'disconnect', listener: () => void): unknown;
}

interface Pending {
  readonly resolve: (reply: Exclude<OuterMessage, { gateway: 'failed' }>, handle: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class RemoteGateway implements HostGateway {
  readonly #pending = new Map<number, Pending>();
  readonly #disconnectListeners: (() => void)[] = [];
  readonly #onMessage = (message: unknown, handle: unknown): void => this.#receive(message, handle);
  readonly #onDisconnect = (): void => {
    this.#fail('the outer process is gone');
    for (const listener of this.#disconnectListeners) listener();
  };
  #calls = 0;
  #closed: GatewayError | undefined;

  constructor(private readonly channel: ParentChannel) {
    channel.on('message', this.#onMessage);
    channel.on('disconnect', this.#onDisconnect);
    if (!channel.connected) this.#fail('this process has no channel to an outer one');
  }

  /** Calls `listener` once the outer process is gone, which is never undone. */
  onDisconnect(listener: () => void): void {
    this.#disconnectListeners.push(listener);
  }

  listenTcp(address: string | undefined, port: number): Promise<number> {
    return this.#obtain({ method: 'listenTcp', ...(address !== undefined && { address }), port });
  }

  bindUdp(address: string | undefined, port: number): Promise<number> {
    return this.#obtain({ method: 'bindUdp', ...(address !== undefined && { address }), port });
  }

  resolve(query: Buffer, protocol: 'udp' | 'tcp'): Promise<Buffer | undefined> {
    return this.#call({ method: 'resolve', query: query.toString('base64'), protocol }, (reply) =>
      reply.gateway === 'resolved' && reply.answer !== undefined ? Buffer.from(reply.answer, 'base64') : undefined,
    );
  }

  underlayMtu(): Promise<number> {
    return this.#call({ method: 'underlayMtu' }, (reply) => {
      if (reply.gateway !== 'mtu') throw new GatewayError(`gateway: the outer process answered '${reply.gateway}' for an MTU`);
      return reply.mtu;
    });
  }

  /** Stops listening to the channel, which stays open: it is not only ours. */
  close(): Promise<void> {
    this.channel.off('message', this.#onMessage);
    this.channel.off('disconnect', this.#onDisconnect);
    this.#fail('closed');
    return Promise.resolve();
  }

  #obtain(call: GatewayCall): Promise<number> {
    return this.#call(call, (reply, handle) => {
      if (reply.gateway !== 'socket') throw new GatewayError(`gateway: the outer process answered '${reply.gateway}' for a socket`);
      try {
        return unwrap(handle, reply.inode);
      } finally {
        this.#send({ gateway: 'taken', id: reply.id });
      }
    });
  }

  /** `read` runs in the turn in which the reply arrives. */
  #call<T>(call: GatewayCall, read: (reply: Exclude<OuterMessage, { gateway: 'failed' }>, handle: unknown) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      const id = ++this.#calls;
      this.#pending.set(id, {
        reject,
        resolve: (reply, handle) => {
          try {
            resolve(read(reply, handle));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
      });
      this.#send({ gateway: 'call', id, call });
    });
  }

  #receive(received: unknown, handle: unknown): void {
    const reply = asOuterMessage(received);
    if (!reply) return;
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (!pending) discard(handle);
    else if (reply.gateway !== 'failed') pending.resolve(reply, handle);
    else pending.reject(reply.error === 'ListenError' ? new ListenError(reply.message) : new GatewayError(reply.message));
  }

  #send(message: InnerMessage): void {
    // A failure to send is a channel that is closing: 'disconnect' follows and rejects what is pending.
    if (this.channel.connected) this.channel.send?.(message, () => undefined);
  }

  #fail(reason: string): void {
    this.#closed ??= new GatewayError(`gateway: ${reason}`);
    for (const { reject } of this.#pending.values()) reject(this.#closed);
    this.#pending.clear();
  }
}

/** The gateway to the process that started this one with an IPC channel. Its calls reject with GatewayError if none did. */
export function connectOuterGateway(): RemoteGateway {
  return new RemoteGateway(process);
}
