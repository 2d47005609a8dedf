/**
 * Unbound sockets of the host, in stock: for whoever needs a new one for every question and must not wait for it. Refilled many at a
 * time, before it is empty.
 */
import { closeSync } from 'node:fs';

export type Protocol = 'tcp' | 'udp';
export type Family = 'ipv4' | 'ipv6';

/** How many are kept of each; TCP is for the few answers that do not fit into a datagram. */
const STOCK: Readonly<Record<Protocol, number>> = { udp: 16, tcp: 2 };

/** Up to `count` of them; they are the caller's. */
export type Obtain = (protocol: Protocol, family: Family, count: number) => Promise<readonly number[]>;

/** As many as can be opened, up to `count`. Throws what the first one failed with: then there is none. */
export function asMany(count: number, open: () => number): number[] {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(open());
  } catch (error) {
    if (opened.length === 0) throw error;
  }
  return opened;
}

interface Shelf {
  readonly stock: number[];
  readonly waiting: { readonly resolve: (fd: number) => void; readonly reject: (error: unknown) => void }[];
  refilling: boolean;
}

export class SocketPool {
  readonly #shelves = new Map<string, Shelf>();
  #closed = false;

  constructor(private readonly obtain: Obtain) {}

  /** The caller's to close. Rejects with what `obtain` rejected with. */
  take(protocol: Protocol, family: Family): Promise<number> {
    if (this.#closed) return Promise.reject(new Error('the pool of sockets is closed'));
    const shelf = this.#shelf(protocol, family);
    return new Promise((resolve, reject) => {
      const fd = shelf.stock.pop();
      if (fd === undefined) shelf.waiting.push({ resolve, reject });
      else resolve(fd);
      this.#refill(protocol, family, shelf);
    });
  }

  /** Closes what is in stock. */
  close(): void {
    this.#closed = true;
    for (const { stock } of this.#shelves.values()) for (const fd of stock.splice(0)) closeSync(fd);
  }

  #shelf(protocol: Protocol, family: Family): Shelf {
    const key = `${protocol} ${family}`;
    const found = this.#shelves.get(key);
    if (found) return found;
    const made: Shelf = { stock: [], waiting: [], refilling: false };
    this.#shelves.set(key, made);
    return made;
  }

  #refill(protocol: Protocol, family: Family, shelf: Shelf): void {
    const full = STOCK[protocol];
    if (shelf.refilling || this.#closed || shelf.stock.length > full / 2) return;
    shelf.refilling = true;
    this.obtain(protocol, family, full + shelf.waiting.length - shelf.stock.length).then(
      (descriptors) => {
        shelf.refilling = false;
        for (const fd of descriptors) this.#place(shelf, fd);
        if (shelf.waiting.length > 0) this.#refill(protocol, family, shelf);
      },
      (error: unknown) => {
        shelf.refilling = false;
        for (const { reject } of shelf.waiting.splice(0)) reject(error);
      },
    );
  }

  #place(shelf: Shelf, fd: number): void {
    const first = shelf.waiting.shift();
    if (first) first.resolve(fd);
    else if (this.#closed) closeSync(fd);
    else shelf.stock.push(fd);
  }
}
