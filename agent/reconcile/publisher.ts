/**
 * Published ports: the sockets on the host, and the relay that serves them.
 *
 * A port is bound *before* the service that wants it is written (reserve), so a port that is taken is an error of the
 * create and leaves nothing behind. At a restart the services exist already: then a port that something else took in the
 * meantime is reported and tried again, and every other port works.
 */
import { closeSync } from 'node:fs';
import type { ResolvedPort } from '../../overlay/model/object.js';
import type { Relay, RelayChoice } from '../../proxy/relay/relay.js';
import type { HostGateway } from '../host-gateway.js';
import type { DesiredPort } from './project.js';
import { portKey } from './project.js';

export class Publisher {
  /** Bound, but not given to the relay yet. */
  readonly #reserved = new Map<string, number>();
  /** Served by the relay: how it balances each, as text to compare. */
  readonly #published = new Map<string, { balanced: string; definition: string }>();
  readonly #failures = new Map<string, string>();

  constructor(
    private readonly gateway: HostGateway,
    private readonly relay: Relay,
    private readonly onFailure: (key: string, message: string) => void,
  ) {}

  /** Why a port is not served, by key. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }

  /** Binds the ports that are not ours already: all, or none and the ListenError of the first that could not be had. */
  async reserve(ports: readonly ResolvedPort[]): Promise<void> {
    const bound: ResolvedPort[] = [];
    try {
      for (const port of ports) {
        const key = portKey(port);
        if (this.#published.has(key) || this.#reserved.has(key)) continue;
        this.#reserved.set(key, await this.#bind(port));
        bound.push(port);
      }
    } catch (error) {
      this.release(bound);
      throw error;
    }
  }

  /** Gives back what was reserved and not published since. */
  release(ports: readonly ResolvedPort[]): void {
    for (const port of ports) {
      const key = portKey(port);
      const fd = this.#reserved.get(key);
      if (fd === undefined) continue;
      this.#reserved.delete(key);
      closeSync(fd);
    }
  }

  /** Makes the relay serve exactly `desired`. Answers whether every port is served. */
  async sync(desired: ReadonlyMap<string, DesiredPort>): Promise<boolean> {
    for (const key of this.#published.keys()) {
      if (desired.get(key) && definitionOf(desired.get(key) as DesiredPort) === this.#published.get(key)?.definition) continue;
      await this.relay.unpublish(key);
      this.#published.delete(key);
    }
    for (const key of this.#failures.keys()) if (!desired.has(key)) this.#failures.delete(key);
    for (const [key, wanted] of desired) await this.#syncPort(key, wanted);
    return this.#failures.size === 0;
  }

  async #syncPort(key: string, wanted: DesiredPort): Promise<void> {
    const { endpoints, ...relay } = wanted.relay;
    const choice: RelayChoice = { scheduler: relay.scheduler, ...(relay.policy && { policy: relay.policy }), ...(relay.timeouts && { timeouts: relay.timeouts }) };
    const balanced = JSON.stringify([endpoints, choice]);
    const current = this.#published.get(key);
    if (current) {
      if (current.balanced === balanced) return;
      await this.relay.update(key, endpoints, choice);
      current.balanced = balanced;
      return;
    }
    try {
      const fd = this.#reserved.get(key) ?? (await this.#bind(wanted.port));
      this.#reserved.delete(key);
      await this.relay.publish(wanted.relay, fd);
      this.#published.set(key, { balanced, definition: definitionOf(wanted) });
      this.#failures.delete(key);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#failures.get(key) !== message) this.onFailure(key, message);
      this.#failures.set(key, message);
    }
  }

  #bind(port: ResolvedPort): Promise<number> {
    return port.protocol === 'tcp'
      ? this.gateway.listenTcp(port.address, port.published)
      : this.gateway.bindUdp(port.address, port.published);
  }

  /** Closes the sockets that nobody serves. The relay closes its own. */
  close(): void {
    for (const fd of this.#reserved.values()) closeSync(fd);
    this.#reserved.clear();
  }
}

/** What cannot change while a port is served: a difference means to publish it anew. */
function definitionOf(wanted: DesiredPort): string {
  return JSON.stringify([wanted.relay.service, wanted.relay.targetPort]);
}
