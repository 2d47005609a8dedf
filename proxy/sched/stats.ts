/**
 * What all workers know of an endpoint: how many flows it has, how its connects went, until when it is ejected, and since
 * when it is there. A row of eight 32-bit words for each, in shared memory.
 *
 * Words are changed by Atomics and read plainly: a word is never torn, a count that is a moment old is as good, and `lc` reads
 * two of every endpoint for every flow (Atomics.load is a call: four times the time).
 *
 * Rows are given out on the main thread (`EndpointConfig.row`, agent/dataplane/endpoint-rows.ts). An endpoint without one is
 * counted in a private row: this worker's alone. Who is ejected is decided in outlier.ts, who takes a flow in gate.ts.
 *
 * Times are deciseconds of the one monotonic clock that all threads share.
 */
const ACTIVE = 0;
const INACTIVE = 1;
/** Connect failures since the last success. */
export const FAILURES = 2;
/** Time at which the last ejection ends; 0: there was none. */
export const EJECTED_UNTIL = 3;
/** What the last ejection's length was multiplied by. */
export const EJECTIONS = 4;
/** Time at which the endpoint joined; 0: not known yet; LONG_AGO: it was there before we were. */
export const JOINED_AT = 5;

/** When it last took a connection; 0: never yet. */
export const ANSWERED_AT = 6;

/** Flows that ever began, modulo 2^32. */
const TOTAL = 7;

/** Words of a row: half a cache line. */
const ROW_WORDS = 8;
const ROW_SHIFT = 3;
/** A first row that is no endpoint's: its first word is the lock of ejections. */
const HEADER_WORDS = ROW_WORDS;
const LOCK = 0;
/** Looks at the lock before a worker goes on without. Its holder looks at one service's endpoints, so it was ended meanwhile. */
const LOCK_PATIENCE = 10_000_000;

export const LONG_AGO = -0x8000_0000;

export class EndpointStats {
  readonly #shared: Int32Array;
  readonly #lock: Int32Array;
  /** Rows of the shared buffer; a row from here on is private. */
  readonly #rows: number;
  #own: Int32Array = new Int32Array(0);
  #ownRows = 0;
  readonly #released: number[] = [];

  /** @param rows 0 to 2^24 endpoints that can be counted by all workers together at a time */
  static allocate(rows = 65_536): SharedArrayBuffer {
    if (!Number.isInteger(rows) || rows < 0 || rows > 1 << 24) throw new RangeError(`EndpointStats: ${rows} rows`);
    return new SharedArrayBuffer((HEADER_WORDS + rows * ROW_WORDS) * 4);
  }

  /** @param buffer made by `allocate`, the same for all workers */
  constructor(buffer: SharedArrayBuffer) {
    this.#shared = new Int32Array(buffer, HEADER_WORDS * 4);
    this.#rows = this.#shared.length >> ROW_SHIFT;
    this.#lock = new Int32Array(buffer, 0, HEADER_WORDS);
  }

  /** A flow to the endpoint of `row` began. Active is what `lc` and `wlc` count 256-fold: opening or established. */
  opened(row: number, active: boolean): void {
    this.#add(row, active ? ACTIVE : INACTIVE, 1);
    this.#add(row, TOTAL, 1);
  }

  /** Flows that began since the row is its owner's, modulo 2^32. */
  total(row: number): number {
    return this.load(row, TOTAL) >>> 0;
  }

  /** A flow became active, or ceased to be. */
  moved(row: number, toActive: boolean): void {
    this.#add(row, ACTIVE, toActive ? 1 : -1);
    this.#add(row, INACTIVE, toActive ? -1 : 1);
  }

  closed(row: number, wasActive: boolean): void {
    this.#add(row, wasActive ? ACTIVE : INACTIVE, -1);
  }

  /**
   * Flows of the endpoint that are active; never less than 0, though a flow that an endpoint had before it left and came back
   * under another row may be closed in this one.
   */
  active(row: number): number {
    const count = this.load(row, ACTIVE);
    return count > 0 ? count : 0;
  }

  inactive(row: number): number {
    const count = this.load(row, INACTIVE);
    return count > 0 ? count : 0;
  }

  /** Whether no flow is counted in the row. */
  isIdle(row: number): boolean {
    return this.active(row) === 0 && this.inactive(row) === 0;
  }

  /** For a row's new owner: as if nothing had been counted. */
  reset(row: number): void {
    for (let word = 0; word < ROW_WORDS; word++) this.store(row, word, 0);
  }

  /** A private row, all zero. */
  take(): number {
    const index = this.#released.findIndex((row) => this.isIdle(row));
    if (index >= 0) {
      const row = this.#released.splice(index, 1)[0]!;
      this.reset(row);
      return row;
    }
    if (this.#ownRows << ROW_SHIFT === this.#own.length) {
      const grown = new Int32Array(Math.max(16 * ROW_WORDS, this.#own.length * 2));
      grown.set(this.#own);
      this.#own = grown;
    }
    return this.#rows + this.#ownRows++;
  }

  /** Gives a private row back. It is taken again when its last flow has closed. */
  release(row: number): void {
    this.#released.push(row);
  }

  /** @param word one of the exported constants */
  load(row: number, word: number): number {
    return row < this.#rows
      ? this.#shared[(row << ROW_SHIFT) + word]!
      : this.#own[((row - this.#rows) << ROW_SHIFT) + word]!;
  }

  store(row: number, word: number, value: number): void {
    if (row < this.#rows) Atomics.store(this.#shared, (row << ROW_SHIFT) + word, value);
    else this.#own[((row - this.#rows) << ROW_SHIFT) + word] = value;
  }

  /** One more; answers how many it makes. */
  increment(row: number, word: number): number {
    return this.#add(row, word, 1) + 1;
  }

  /** Stores `value` where 0 was: of several workers the first one's stays. */
  initialize(row: number, word: number, value: number): void {
    if (row < this.#rows) Atomics.compareExchange(this.#shared, (row << ROW_SHIFT) + word, 0, value);
    else if (this.load(row, word) === 0) this.store(row, word, value);
  }

  /** Only one worker at a time decides on an ejection, or two could eject the last two endpoints. Rare and short. */
  lock(): void {
    for (let tries = 0; tries < LOCK_PATIENCE; tries++) {
      if (Atomics.compareExchange(this.#lock, LOCK, 0, 1) === 0) return;
    }
  }

  unlock(): void {
    Atomics.store(this.#lock, LOCK, 0);
  }

  /** Answers the value before. */
  #add(row: number, word: number, by: number): number {
    if (row < this.#rows) return Atomics.add(this.#shared, (row << ROW_SHIFT) + word, by);
    const at = ((row - this.#rows) << ROW_SHIFT) + word;
    const before = this.#own[at]!;
    this.#own[at] = before + by;
    return before;
  }
}
