/**
 * The sockets that the outer process of a rootless agent has handed to the inner one and keeps open for the one after it: connections and
 * datagrams wait in them meanwhile. Which are kept is decided here; making and closing them is for others.
 *
 *     keep ──► in use ──release──► closed
 *                │  ▲
 *     the inner  │  │ asked for again
 *     one died   ▼  │
 *              waiting ──nobody asks──► closed
 */

/** What an inner process asked for, in its own words. */
export interface SocketWish {
  readonly protocol: 'tcp' | 'udp';
  /** undefined: all addresses. */
  readonly address: string | undefined;
  readonly port: number;
}

/** `8080/tcp`, `8080/tcp of 192.0.2.1`. */
export function wishText({ protocol, address, port }: SocketWish): string {
  return `${port}/${protocol}${address === undefined ? '' : ` of ${address}`}`;
}

interface Kept {
  readonly fd: number;
  inUse: boolean;
}

export class KeptSockets {
  readonly #kept = new Map<string, Kept>();

  /** @param close closes a descriptor */
  constructor(private readonly close: (fd: number) => void) {}

  get size(): number {
    return this.#kept.size;
  }

  /** What is kept of an earlier inner process, for one that asks for the same. A second time it is in use, as any port that is taken. */
  claim(wish: SocketWish): number | undefined {
    const kept = this.#kept.get(wishText(wish));
    if (kept === undefined || kept.inUse) return undefined;
    kept.inUse = true;
    return kept.fd;
  }

  /** One that was made for the inner process. Any free port (0) is never asked for again by its number. Answers whether it is kept. */
  keep(wish: SocketWish, fd: number): boolean {
    const key = wishText(wish);
    if (wish.port === 0 || this.#kept.has(key)) return false;
    this.#kept.set(key, { fd, inUse: true });
    return true;
  }

  /** It is not wanted any more. */
  release(wish: SocketWish): void {
    this.#close(wishText(wish));
  }

  /** The inner process is gone: what it had waits for the next one. */
  orphan(): void {
    for (const kept of this.#kept.values()) kept.inUse = false;
  }

  /** Closes what nobody has asked for since, and answers what that was. */
  closeUnclaimed(): string[] {
    const unclaimed = [...this.#kept].filter(([, { inUse }]) => !inUse).map(([key]) => key);
    for (const key of unclaimed) this.#close(key);
    return unclaimed;
  }

  closeAll(): void {
    for (const key of this.#kept.keys()) this.#close(key);
  }

  #close(key: string): void {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    if (kept) this.close(kept.fd);
  }
}
