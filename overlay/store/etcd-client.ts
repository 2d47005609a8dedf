/**
 * An etcd cluster's members, as one to talk to: the only file that imports etcd3 (and cockatiel, whose policies etcd3 takes).
 *
 * One client per member, because which member is asked, when another is and whether a question may be asked twice is decided
 * here: a transaction whose answer was lost may have been carried out. The member that answered last is asked first.
 * What is asked is the store's affair (etcd.ts, etcd-watch.ts).
 */
import { noop } from 'cockatiel';
import { Etcd3, EtcdAuthenticationFailedError, EtcdPermissionDeniedError, isRecoverableError, type IOptions } from 'etcd3';
import { EtcdContact } from './etcd-contact.js';
import { StoreError, type Contact } from './store.js';

export { CompareResult, CompareTarget } from 'etcd3';
export type { IKeyValue, IWatchResponse, KVClient, LeaseClient } from 'etcd3';
export type Member = Pick<Etcd3, 'kv' | 'leaseClient' | 'watchClient'>;

export interface EtcdOptions {
  /** `host:port`, or `unix:/path`; at least one. */
  readonly members: readonly string[];
  readonly tls?: {
    /** PEM. Absent: the certificate authorities that Node knows. */
    readonly ca?: Buffer;
    /** PEM, both or none: what we show to a member that asks who we are. */
    readonly cert?: Buffer;
    readonly key?: Buffer;
  };
  readonly auth?: { readonly user: string; readonly password: string };
}

/** Milliseconds for one answer of one member; etcd itself gives up a proposal after 5 s and an election's time. */
const ANSWER_MS = 2000;
/** Milliseconds for a question, all members and tries together. */
const PATIENCE_MS = 6000;
/** Milliseconds between rounds through all members. */
const PAUSE_MS = 200;

/**
 * Channel arguments of gRPC: a member that is silent is found out within 10 s, also beneath a watch. etcd drops a connection that asks more often
 * than every 5 s (--grpc-keepalive-min-time), and a timer may be early by what the one before was late.
 */
const CHANNEL = {
  'grpc.keepalive_time_ms': 7000,
  'grpc.keepalive_timeout_ms': 3000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  // A list of thousands of tasks is longer than gRPC's own limit of 4 MiB.
  'grpc.max_receive_message_length': -1,
};

export class EtcdMembers {
  readonly #clients: readonly Etcd3[];
  readonly #contact: EtcdContact;
  #current = 0;

  constructor(private readonly options: EtcdOptions) {
    this.#contact = new EtcdContact(options.members.length, (error) => this.explain(error).message);
    this.#clients = options.members.map((member) => new Etcd3(clientOptions(member, options)));
  }

  get contact(): Contact {
    return this.#contact.state;
  }

  /**
   * What `question` answers, asked of one member after the other until one answers. It may be asked again after it was carried
   * out. When none has answered for a while, each is asked only once. Rejects with StoreError: no member answers, or the answer is
   * an error that asking again would not change.
   */
  async ask<T>(question: (member: Member) => Promise<T>): Promise<T> {
    const until = performance.now() + PATIENCE_MS;
    for (let tries = 1; ; tries++) {
      const asked = this.#current;
      const since = performance.now();
      try {
        const answer = await question(this.#client(asked));
        this.answered(since);
        return answer;
      } catch (error) {
        if (error instanceof StoreError) throw error;
        if (mayPass(error) || isRefused(error)) this.failed(asked, error);
        const { reachable, since: lostAt } = this.#contact.state;
        const enough = tries >= this.#clients.length && !reachable && performance.now() - lostAt > PATIENCE_MS;
        // A try that took all the time tells of this process, which had no processor, not of etcd.
        const over = performance.now() > until && tries > this.#clients.length;
        if (!mayPass(error) || over || enough) throw this.explain(error);
        if (tries % this.#clients.length === 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }

  /** The member to open a stream with, and its number. */
  member(): { readonly member: Member; readonly index: number } {
    return { member: this.#client(this.#current), index: this.#current };
  }

  /** A member has answered what it was asked at `since` (performance.now()). */
  answered(since: number): void {
    this.#contact.answered(since, performance.now());
  }

  /** Member `index` has failed: another is asked next. */
  failed(index: number, error: unknown): void {
    this.#contact.failed(error, performance.now());
    if (this.#current === index) this.#current = (index + 1) % this.#clients.length;
  }

  /** As the operator should read it: the cause and the remedy. */
  explain(error: unknown): StoreError {
    const message = error instanceof Error ? plain(error.message) : String(error);
    const { tls } = this.options;
    const where = `etcd at ${this.options.members.join(', ')}`;
    if (error instanceof EtcdAuthenticationFailedError) return new StoreError(`${where} does not accept user '${this.options.auth?.user ?? ''}' with this password: give --store-user name:password as etcd has it (etcdctl user list)`);
    if (/authentication is not enabled/.test(message)) return new StoreError(`${where} asks nobody for a password: leave --store-user out, or have it ask (etcdctl auth enable)`);
    if (isRefused(error)) {
      return new StoreError(`${where} refuses ${this.options.auth === undefined ? 'clients without a user' : `user '${this.options.auth.user}'`}: give --store-user a user that may read and write below /vipmesh/ (etcdctl role grant-permission)`);
    }
    if (/unable to verify|unable to get|self.signed certificate|altnames|certificate has expired/.test(message)) return new StoreError(`${where} is not who --store-ca vouches for: ${message}. With --store-ca, give the certificate of the authority that etcd's own is from; --store has to name it as that does`);
    if (/alert (bad certificate|certificate required|unknown ca|handshake failure)/.test(message)) {
      return new StoreError(tls?.cert === undefined ? `${where} wants a certificate from us: give one that it trusts, with --store-cert and --store-key` : `${where} does not take our certificate (${message}): give one that its --trusted-ca-file vouches for, with --store-cert and --store-key`);
    }
    if (tls !== undefined && /before secure TLS|wrong version number|packet length too long/.test(message)) return new StoreError(`${where} does not speak TLS there: leave --store-ca, --store-cert and --store-key out, or have etcd listen on https (--cert-file, --key-file)`);
    if (/too many operations/.test(message)) return new StoreError(`${where} takes no transaction of this size: start it with --max-txn-ops 1024`);
    if (/database space exceeded/.test(message)) return new StoreError(`${where} has no space left: compact and defragment it, then disarm its alarm (etcdctl compact, defrag, alarm disarm), or raise --quota-backend-bytes`);
    return new StoreError(`${where} does not answer: ${message}. Look whether it runs (etcdctl endpoint health) and whether --store names it${tls === undefined ? ' (if it speaks TLS alone, give --store-ca)' : ''}; what was asked may have been done or not`);
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #client(index: number): Etcd3 {
    const client = this.#clients[index];
    if (client === undefined) throw new TypeError('an etcd store needs at least one member');
    return client;
  }
}

/**
 * From now on etcd is reached through this HTTP proxy, and no other: gRPC looks for one in the environment only, also where etcd3 gives it no
 * options (it asks for its token so).
 */
export function reachThrough(proxy: string): void {
  process.env['grpc_proxy'] = proxy;
  // Else those of `no_proxy` would count, which are not to be reached from where a proxy is needed.
  process.env['no_grpc_proxy'] = 'none.invalid';
}

function clientOptions(member: string, { tls, auth }: EtcdOptions): IOptions {
  const hosts = tls === undefined ? member : `https://${member}`;
  return {
    hosts,
    faultHandling: { global: noop, host: () => noop },
    grpcOptions: CHANNEL,
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + ANSWER_MS }),
    ...(auth === undefined ? {} : { auth: { username: auth.user, password: auth.password } }),
    ...(tls?.ca === undefined ? {} : { credentials: { rootCertificate: tls.ca, ...(tls.key === undefined ? {} : { privateKey: tls.key }), ...(tls.cert === undefined ? {} : { certChain: tls.cert }) } }),
  };
}

/** What gRPC says of a failed call, without what it says of itself. */
function plain(message: string): string {
  // With how long what took, which is another each time.
  if (/Deadline exceeded/i.test(message)) return `nothing within ${ANSWER_MS / 1000} s. Perhaps it has no quorum, since more than half of its members must run`;
  const last = /Last error: (?:Error: )?(?<last>[^]*?)(?: \([0-9T:.-]+Z\))?\. ?Resolution note/.exec(message)?.groups?.['last'];
  const alert = /alert [a-z ]+/.exec(last ?? '')?.[0];
  return alert ?? last ?? message.replace(/^(\w*Error: )?\d+ [A-Z_]+: /, '');
}

/**
 * Ends a stream that may still be open. What is only cancelled counts as failed to etcd3, which then closes all connections to that member, those of
 * other streams too.
 */
export function endStream(stream: { end(): unknown; cancel(): unknown }): void {
  stream.end();
  stream.cancel();
}

/** etcd answers, but not us. */
function isRefused(error: unknown): boolean {
  return error instanceof EtcdAuthenticationFailedError || error instanceof EtcdPermissionDeniedError || (error instanceof Error && /user name is empty/.test(error.message));
}

/** Another member, or the same a little later, may answer: connections, elections, a member without a leader. */
function mayPass(error: unknown): boolean {
  return error instanceof Error && (isRecoverableError(error) || /etcdserver: (request timed out|no leader|leader changed|not leader|server stopped|too many requests)/.test(error.message));
}
