/**
 * A lease of etcd, kept alive from here: asked for again three times in its life, of whichever member answers. It is lost when etcd says so, or
 * when nothing was heard for its whole life: then etcd has ended it, or will not have heard of us for longer than that.
 */
import { endStream, type EtcdMembers, type Member } from './etcd-client.js';
import type { Lease } from './store.js';
import { StoreError } from './store.js';

/** Milliseconds that one answer may take. */
const ANSWER_MS = 2000;

export class EtcdLease implements Lease {
  readonly #lost = new AbortController();
  readonly #over: PromiseWithResolvers;
  #timer: NodeJS.Timeout | undefined;
  #heardAt = performance.now();
  #releasing: Promise<void> | undefined;

  private constructor(
    private readonly members: EtcdMembers,
    readonly id: string,
    private readonly milliseconds: number,
  ) {
    this.#over = withResolvers();
    this.#next();
  }

  /** Rejects with StoreError. */
  static async grant(members: EtcdMembers, seconds: number): Promise<EtcdLease> {
    const { ID, TTL } = await members.ask(({ leaseClient }) => leaseClient.leaseGrant({ TTL: seconds }));
    return new EtcdLease(members, ID, Number(TTL) * 1000);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves when it is lost, released or forgotten. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #release(): Promise<void> {
    this.forget();
    if (!this.#lost.signal.aborted) await this.members.ask(({ leaseClient }) => leaseClient.leaseRevoke({ ID: this.id }));
  }

  /** Leaves it to its time. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#over.resolve();
  }

  #next(): void {
    this.#timer = setTimeout(() => void this.#renew(), this.milliseconds / 3);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    const { member, index } = this.members.member();
    const asked = performance.now();
    try {
      if (!(await heardOf(member, this.id))) return this.#lose(`etcd has ended lease ${this.id}`);
      this.#heardAt = asked;
      this.members.answered(asked);
    } catch (error) {
      this.members.failed(index, error);
    }
    if (this.#timer === undefined) return;
    if (performance.now() - this.#heardAt > this.milliseconds) this.#lose(`etcd was not heard of for ${this.milliseconds / 1000} s`);
    else this.#next();
  }

  #lose(reason: string): void {
    if (this.#timer === undefined) return;
    this.forget();
    this.#lost.abort(new StoreError(reason));
  }
}

/** False: there is no such lease any more. Rejects when the member does not answer in time, be it that there is no stream. */
async function heardOf(member: Member, id: string): Promise<boolean> {
  let late: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error('no answer')), ANSWER_MS);
    late.unref();
  });
  const asked = answerOf(member, id, patience);
  // Who opens no stream has no time-out of its own.
  return Promise.race([asked, patience]).finally(() => clearTimeout(late));
}

async function answerOf(member: Member, id: string, patience: Promise<never>): Promise<boolean> {
  const stream = await member.leaseClient.leaseKeepAlive();
  try {
    const answer = new Promise<boolean>((resolve, reject) => {
      stream.on('data', ({ TTL }) => resolve(Number(TTL) > 0));
      stream.on('error', reject);
      stream.on('end', () => reject(new Error('the stream ended')));
    });
    stream.write({ ID: id });
    return await Promise.race([answer, patience]);
  } finally {
    endStream(stream);
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function withResolvers(): PromiseWithResolvers {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
