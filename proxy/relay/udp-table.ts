/**
 * All UDP sessions of the relay in the order of their last datagram: which ends because it was idle for too long, and
 * which makes room when there are too many.
 */
import type { Clock } from '../time/clock.js';
import type { UdpSession } from './udp-session.js';

export type SessionEnd = 'expired' | 'evicted';

export class UdpTable {
  /** Idle for longest first: a Map keeps the order of insertion. */
  readonly #sessions = new Map<UdpSession, (cause: SessionEnd) => void>();
  #cancelTimer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly maxSessions: number,
    private readonly timeout: number,
  ) {}

  get size(): number {
    return this.#sessions.size;
  }

  /** `end` is called when the table gives the session up. Makes room first if it must. */
  add(session: UdpSession, end: (cause: SessionEnd) => void): void {
    while (this.#sessions.size >= this.maxSessions) this.#endFirst('evicted');
    this.#sessions.set(session, end);
    this.#arm();
  }

  touch(session: UdpSession): void {
    session.lastDatagramAt = this.clock.now();
    const end = this.#sessions.get(session);
    if (!end) return;
    this.#sessions.delete(session);
    this.#sessions.set(session, end);
  }

  remove(session: UdpSession): void {
    this.#sessions.delete(session);
  }

  #first(): UdpSession | undefined {
    for (const session of this.#sessions.keys()) return session;
    return undefined;
  }

  #endFirst(cause: SessionEnd): void {
    for (const [session, end] of this.#sessions) {
      this.#sessions.delete(session);
      end(cause);
      return;
    }
  }

  #arm(): void {
    const first = this.#first();
    if (!first || this.#cancelTimer) return;
    this.#cancelTimer = this.clock.after(first.lastDatagramAt + this.timeout - this.clock.now(), () => {
      this.#cancelTimer = undefined;
      for (let next = this.#first(); next && next.lastDatagramAt + this.timeout <= this.clock.now(); next = this.#first()) {
        this.#endFirst('expired');
      }
      this.#arm();
    });
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#sessions.clear();
  }
}
