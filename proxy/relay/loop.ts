/**
 * The loop of a thread that relays TCP: waits for sockets, tells their owners, then lets those that have something to do
 * do it, each a bounded part before the next. It knows neither connections nor ports.
 */
import { EINTR, type StreamSockets } from './sockets.js';

export interface Watcher {
  /** `events`: bits of Ready. */
  ready(events: number): void;
}

export interface Worker {
  /** One bounded part of what is to be done; whoever is not through asks for another turn. */
  work(): void;
}

export class Loop {
  /** By token. */
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #free: number[] = [];
  /** Let go in this turn: events of them may still be among those that the last wait brought. */
  #letGo: number[] = [];
  #asked = new Set<Worker>();

  constructor(private readonly sockets: StreamSockets) {}

  /** Watches a connection. Its token, or -errno. */
  watch(fd: number, watcher: Watcher): number {
    return this.#register(watcher, (token) => this.sockets.watch(fd, token));
  }

  /** Watches for input, told in every turn. Its token, or -errno. */
  watchInput(fd: number, watcher: Watcher, shared: boolean): number {
    return this.#register(watcher, (token) => this.sockets.watchInput(fd, token, shared));
  }

  /** Of a descriptor that is closed now, which ends the watch by itself when nobody has another of the same socket. */
  forget(token: number): void {
    this.#watchers[token] = undefined;
    this.#letGo.push(token);
  }

  /** Watches a descriptor no more. */
  unwatch(fd: number, token: number): void {
    this.sockets.unwatch(fd);
    this.forget(token);
  }

  /** `worker` has something to do, in this turn if its workers' part has not begun, else in the next. */
  ask(worker: Worker): void {
    this.#asked.add(worker);
  }

  /** @param timeout milliseconds to wait at most; not at all when somebody has asked for a turn */
  turn(timeout: number): void {
    const count = this.sockets.wait(this.#asked.size > 0 ? 0 : timeout);
    if (count < 0 && count !== -EINTR) throw new Error(`relay: waiting for sockets failed: errno ${-count}`);
    for (let i = 0; i < count; i++) this.#watchers[this.sockets.token(i)]?.ready(this.sockets.readyFor(i));
    const asked = this.#asked;
    this.#asked = new Set();
    for (const worker of asked) worker.work();
    this.#free.push(...this.#letGo);
    this.#letGo = [];
  }

  #register(watcher: Watcher, add: (token: number) => number): number {
    const token = this.#free.pop() ?? this.#watchers.length;
    this.#watchers[token] = watcher;
    const result = add(token);
    if (result >= 0) return token;
    this.#watchers[token] = undefined;
    this.#free.push(token);
    return result;
  }
}
