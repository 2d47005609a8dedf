/**
 * The outer half of a rootless agent's host gateway: does in the caller's network namespace what the inner process asks
 * for, and hands the sockets over. Starting and ending the inner process is for others (agent/lifecycle).
 */
import type { ChildProcess, SendHandle } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { HostGateway } from '../host-gateway.js';
import { inodeOf, wrapDatagram, wrapListener } from './descriptor.js';
import { asInnerMessage, type GatewayCall, type OuterMessage } from './protocol.js';

export class OuterGateway {
  /** What is kept of sockets that are on their way, by call: run when the inner process has them, or is gone. */
  readonly #letGo = new Map<number, () => void>();
  readonly #onMessage = (message: unknown): void => this.#receive(message);
  readonly #onGone = (): void => this.#stop();

  /** Serves until the child exits, its channel closes, or close(). `local` is this object's to close. */
  constructor(
    private readonly child: ChildProcess,
    private readonly local: HostGateway,
  ) {
    child.on('message', this.#onMessage);
    child.once('exit', this.#onGone);
    child.once('disconnect', this.#onGone);
  }

  /** Stops serving; sockets handed over stay with the inner process. Idempotent. */
  async close(): Promise<void> {
    this.#stop();
    await this.local.close();
  }

  #stop(): void {
    this.child.off('message', this.#onMessage);
    for (const letGo of this.#letGo.values()) letGo();
    this.#letGo.clear();
  }

  #receive(received: unknown): void {
    const message = asInnerMessage(received);
    if (!message) return;
    if (message.gateway === 'call') {
      this.#serve(message.id, message.call).catch((error: unknown) => {
        const { name, message: text } = error instanceof Error ? error : new Error(String(error));
        this.#send({ gateway: 'failed', id: message.id, error: name, message: text });
      });
    } else {
      this.#letGo.get(message.id)?.();
      this.#letGo.delete(message.id);
    }
  }

  async #serve(id: number, call: GatewayCall): Promise<void> {
    switch (call.method) {
      case 'listenTcp': {
        const fd = await this.local.listenTcp(call.address, call.port);
        const inode = inodeOf(fd);
        if (!this.#isConnected(fd)) return;
        const socket = wrapListener(fd);
        this.#letGo.set(id, () => socket.destroy());
        this.#send({ gateway: 'socket', id, inode }, socket);
        return;
      }
      case 'bindUdp': {
        const fd = await this.local.bindUdp(call.address, call.port);
        const inode = inodeOf(fd);
        if (!this.#isConnected(fd)) return;
        const socket = wrapDatagram(fd);
        this.#letGo.set(id, () => socket.close());
        this.#send({ gateway: 'socket', id, inode }, socket);
        return;
      }
      case 'resolve': {
        const answer = await this.local.resolve(Buffer.from(call.query, 'base64'), call.protocol);
        this.#send({ gateway: 'resolved', id, ...(answer && { answer: answer.toString('base64') }) });
        return;
      }
      case 'underlayMtu':
        this.#send({ gateway: 'mtu', id, mtu: await this.local.underlayMtu() });
    }
  }

  /** False, and the descriptor closed, when the inner process went while it was made. */
  #isConnected(fd: number): boolean {
    if (this.child.connected) return true;
    closeSync(fd);
    return false;
  }

  #send(message: OuterMessage, handle?: SendHandle): void {
    // A channel that is closing is reported by its 'disconnect', here and on the other side.
    // Node would close a net.Socket itself once it has arrived, but not when the child dies meanwhile: hence keepOpen.
    if (this.child.connected) this.child.send(message, handle, { keepOpen: true }, () => undefined);
  }
}
