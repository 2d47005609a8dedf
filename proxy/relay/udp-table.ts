/**
 * All UDP sessions of the relay, in the order of their last datagram: which makes room when there are too many, and which
 * ends because it was idle for too long (each as its service says).
 */
import type { Clock } from '../time/clock.js';
import { IdleTimer } from './idle-timer.js';
import type { UdpSession } from './udp-session.js';

export type SessionEnd = 'expired' | 'evicted';

interface Entry {
  readonly timer: IdleTimer;
  readonly end: (cause: SessionEnd) => void;
}

export class UdpTable {
  /** Idle for longest first: a Map keeps the order of insertion. */
  readonly #sessions = new Map<UdpSession, Entry>();

  constructor(
    private readonly clock: Clock,
    private readonly maxSessions: number,
  ) {}

  get size(): number {
    return this.#sessions.size;
  }

  /**
   * Makes room first if it must.
   * @param timeout milliseconds without a datagram that end it; asked for again when it matters
   * @param end called when the table gives the session up
   */
  add(session: UdpSession, timeout: () => number, end: (cause: SessionEnd) => void): void {
    while (this.#sessions.size >= this.maxSessions) this.#endFirst();
    const timer = new IdleTimer(this.clock, { lastSeen: () => session.lastDatagramAt, timeout, end: () => this.#end(session, 'expired') });
    this.#sessions.set(session, { timer, end });
  }

  touch(session: UdpSession): void {
    session.lastDatagramAt = this.clock.now();
    const entry = this.#sessions.get(session);
    if (!entry) return;
    this.#sessions.delete(session);
    this.#sessions.set(session, entry);
  }

  /** The session's time-out is another now. */
  timeoutChanged(session: UdpSession): void {
    this.#sessions.get(session)?.timer.reset();
  }

  remove(session: UdpSession): void {
    this.#sessions.get(session)?.timer.cancel();
    this.#sessions.delete(session);
  }

  close(): void {
    for (const session of this.#sessions.keys()) this.remove(session);
  }

  #endFirst(): void {
    for (const session of this.#sessions.keys()) {
      this.#end(session, 'evicted');
      return;
    }
  }

  #end(session: UdpSession, cause: SessionEnd): void {
    const entry = this.#sessions.get(session);
    this.remove(session);
    entry?.end(cause);
  }
}
