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
import { Turns } from '../../proxy/time/turns.js';
import type { HostGateway } from '../host-gateway.js';
import type { DesiredPort } from './project.js';
import { portKey } from './project.js';

export class Publisher {
  /** Bound, but not given to the relay yet. */
  readonly #reserved = new Map<string, number>();
  /** Served by the relay: how it balances each, as text to compare. */
  readonly #published = new Map<string, { readonly port: ResolvedPort; balanced: string; definition: string }>();
  readonly #failures = new Map<string, string>();
  /** Nobody is behind them yet. */
  readonly #waiting = new Set<string>();
  /** What reserves and what makes the relay serve follow one another: each would find taken what the other is just binding. */
  readonly #changes = new Turns();

  /** @param awaitsEndpoints whether a port waits for somebody behind it who listens: who connects waits too, in a socket that was kept open, and is not refused */
  constructor(
    private readonly gateway: HostGateway,
    private readonly relay: Relay,
    private readonly awaitsEndpoints: () => boolean = () => false,
  ) {}

  /** Why a port is not served, by key. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }

  /** Binds the ports that are not ours already: all, or none and the ListenError of the first that could not be had. */
  reserve(ports: readonly ResolvedPort[]): Promise<void> {
    return this.#changes.take(() => this.#reserve(ports));
  }

  async #reserve(ports: readonly ResolvedPort[]): Promise<void> {
    const bound: ResolvedPort[] = [];
    try {
      for (const port of ports) {
        const key = portKey(port);
        if (this.#published.has(key) || this.#reserved.has(key)) continue;
        this.#reserved.set(key, await this.#bind(port));
        bound.push(port);
      }
    } catch (error) {
      await this.release(bound);
      throw error;
    }
  }

  /** Gives back what was reserved and not published since. */
  async release(ports: readonly ResolvedPort[]): Promise<void> {
    for (const port of ports) {
      const key = portKey(port);
      const fd = this.#reserved.get(key);
      if (fd === undefined) continue;
      this.#reserved.delete(key);
      closeSync(fd);
      await this.#letGo(port);
    }
  }

  /** Makes the relay serve exactly `desired`. Answers whether every port is served. */
  sync(desired: ReadonlyMap<string, DesiredPort>): Promise<boolean> {
    return this.#changes.take(() => this.#sync(desired));
  }

  async #sync(desired: ReadonlyMap<string, DesiredPort>): Promise<boolean> {
    for (const [key, { port, definition }] of this.#published) {
      if (desired.get(key) && definitionOf(desired.get(key) as DesiredPort) === definition) continue;
      await this.relay.unpublish(key);
      this.#published.delete(key);
      await this.#letGo(port);
    }
    for (const key of this.#failures.keys()) if (!desired.has(key)) this.#failures.delete(key);
    this.#waiting.clear();
    for (const [key, wanted] of desired) await this.#syncPort(key, wanted);
    return this.#failures.size === 0 && this.#waiting.size === 0;
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
    if (!this.#reserved.has(key) && wanted.ready !== true && this.awaitsEndpoints()) {
      this.#waiting.add(key);
      return;
    }
    try {
      const fd = this.#reserved.get(key) ?? (await this.#bind(wanted.port));
      this.#reserved.delete(key);
      await this.relay.publish(wanted.relay, fd).catch(async (error: unknown) => {
        await this.#letGo(wanted.port);
        throw error;
      });
      this.#published.set(key, { port: wanted.port, balanced, definition: definitionOf(wanted) });
      this.#failures.delete(key);
    } catch (error) {
      this.#failures.set(key, error instanceof Error ? error.message : String(error));
    }
  }

  #bind(port: ResolvedPort): Promise<number> {
    return port.protocol === 'tcp'
      ? this.gateway.listenTcp(port.address, port.published)
      : this.gateway.bindUdp(port.address, port.published);
  }

  /** A gateway in another process has the socket, too. One that is gone has let go of everything. */
  async #letGo(port: ResolvedPort): Promise<void> {
    await this.gateway.release(port.protocol, port.address, port.published).catch(() => undefined);
  }

  /** Closes the sockets that nobody serves, and gives back those that the relay has served until now; it closes its own. */
  async close(): Promise<void> {
    for (const fd of this.#reserved.values()) closeSync(fd);
    this.#reserved.clear();
    for (const { port } of this.#published.values()) await this.#letGo(port);
    this.#published.clear();
  }
}

/** What cannot change while a port is served: a difference means to publish it anew. */
function definitionOf(wanted: DesiredPort): string {
  return JSON.stringify([wanted.relay.service, wanted.relay.targetPort, wanted.relay.proxyProtocol]);
}
