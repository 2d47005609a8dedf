/**
 * The outer half of a rootless agent's host gateway: does in the caller's network namespace what one inner process asks
 * for, and hands it the sockets. What is kept for the inner process after it is in kept-sockets.ts; starting and ending inner
 * processes is for others (agent/lifecycle).
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { openSocket } from '../../kernel/netns/sockets.js';
import { MAX_DESCRIPTORS, sendDescriptors } from '../../kernel/run/descriptor-channel.js';
import type { HostGateway } from '../host-gateway.js';
import type { KeptSockets, SocketWish } from './kept-sockets.js';
import { asInnerMessage, type GatewayCall, type OuterMessage } from './protocol.js';
import { asMany } from './socket-pool.js';

/** Milliseconds until the inner process is looked at again that has not taken what it was sent. */
const LATER_MS = 5;

export interface OuterGatewayOptions {
  readonly child: ChildProcess;
  /** Our end of the descriptor channel; this object's to close. */
  readonly channel: number;
  readonly local: HostGateway;
  readonly kept: KeptSockets;
}

export class OuterGateway {
  readonly #child: ChildProcess;
  readonly #onMessage = (message: unknown): void => this.#receive(message);
  readonly #onGone = (): void => this.close();
  #open = true;

  /** Serves until the child exits, its channel closes, or close(). */
  constructor(private readonly options: OuterGatewayOptions) {
    this.#child = options.child;
    this.#child.on('message', this.#onMessage);
    this.#child.once('exit', this.#onGone);
    this.#child.once('disconnect', this.#onGone);
  }

  /** Stops serving; sockets handed over stay with the inner process. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#child.off('message', this.#onMessage).off('exit', this.#onGone).off('disconnect', this.#onGone);
    closeSync(this.options.channel);
  }

  #receive(received: unknown): void {
    const message = asInnerMessage(received);
    if (!message) return;
    this.#serve(message.id, message.call).catch((error: unknown) => {
      const { name, message: text } = error instanceof Error ? error : new Error(String(error));
      this.#reply({ gateway: 'failed', id: message.id, error: name, message: text });
    });
  }

  async #serve(id: number, call: GatewayCall): Promise<void> {
    const { local, kept } = this.options;
    switch (call.method) {
      case 'listenTcp':
      case 'bindUdp': {
        const wish: SocketWish = { protocol: call.method === 'listenTcp' ? 'tcp' : 'udp', address: call.address, port: call.port };
        const claimed = kept.claim(wish);
        if (claimed !== undefined) return this.#hand(id, [claimed], false);
        const fd = await local[call.method](call.address, call.port);
        // It may have died while the socket was made: then nobody will ask for it by this name.
        return this.#hand(id, [fd], !this.#open || !kept.keep(wish, fd));
      }
      case 'connectTcp':
        return this.#hand(id, [await local.connectTcp(call.host, call.port)], true);
      case 'sockets':
        return this.#hand(id, asMany(Math.min(call.count, MAX_DESCRIPTORS), () => openSocket(call.protocol, call.family)), true);
      case 'release':
        kept.release({ protocol: call.protocol, address: call.address, port: call.port });
        this.#reply({ gateway: 'done', id });
        return;
      case 'routes':
        this.#reply({ gateway: 'routes', id, routes: await local.routes() });
        return;
      case 'underlayMtu':
        this.#reply({ gateway: 'mtu', id, mtu: await local.underlayMtu(call.own) });
    }
  }

  /** `ours`: closed here as soon as the inner process has them, or is gone. */
  async #hand(id: number, descriptors: readonly number[], ours: boolean): Promise<void> {
    try {
      for (;;) {
        if (!this.#open) return;
        const outcome = sendDescriptors(this.options.channel, id, descriptors);
        if (outcome === 'gone') return;
        if (outcome === 'sent') break;
        await wait(LATER_MS);
      }
      this.#reply({ gateway: 'sockets', id });
    } finally {
      if (ours) for (const fd of descriptors) closeSync(fd);
    }
  }

  #reply(message: OuterMessage): void {
    // A channel that is closing is reported by its 'disconnect', here and on the other side.
    if (this.#open && this.#child.connected) this.#child.send(message, () => undefined);
  }
}
