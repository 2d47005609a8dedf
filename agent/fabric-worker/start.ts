/**
 * VXLAN in userspace as the agent holds it: one thread for all networks, which owns the way between their TUNs and the underlay's socket. Which
 * nodes and networks there are is told by others; its counters are read here without asking it.
 */
import fs from 'node:fs';
import { EFD_CLOEXEC, EFD_NONBLOCK, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IPPROTO_IP, IPPROTO_UDP, SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE, SOL_SOCKET, UDP_GRO } from '../../kernel/ffi/constants.js';
import { errnoName, eventfd, setsockopt, SystemError } from '../../kernel/ffi/libc.js';
import { Counters } from '../../proxy/vxlan/counters.js';
import type { NetworkSpec } from '../../proxy/vxlan/network.js';
import { type RequestBody, WorkerThread } from '../dataplane/thread.js';
import type { WorkerInput } from './entry.js';
import type { Request } from './messages.js';

/** The thread ended although nobody had closed it, or refused a request. */
export class FabricWorkerError extends Error {
  override readonly name = 'FabricWorkerError';
}

/** Bytes that may wait at the socket, either way: what comes while the worker is not run for some milliseconds. */
const BUFFER = 8 << 20;

export interface FabricWorkerOptions {
  /** The thread crashed. */
  onError?: (error: FabricWorkerError) => void;
  /** A network's TUN failed and is no longer used. `cause` is an errno's name, such as EBADFD. */
  onLost?: (vni: number, cause: string) => void;
}

export class FabricWorker {
  readonly #thread: WorkerThread<Request>;
  readonly #wakeUp = eventfd(EFD_NONBLOCK | EFD_CLOEXEC);
  readonly #counters = new Counters();
  #socket = -1;
  #ended: FabricWorkerError | undefined;
  #closing: Promise<void> | undefined;

  /** Another `entry` is for tests. */
  constructor(options: FabricWorkerOptions = {}, entry = new URL('./entry.js', import.meta.url)) {
    const input: WorkerInput = { index: 0, wakeUps: [this.#wakeUp], counters: this.#counters.values.buffer as SharedArrayBuffer };
    const events = {
      onLost: (vni: number, errno: number) => options.onLost?.(vni, errno === 0 ? 'POLLERR' : errnoName(errno)),
      onEnd: (cause: string) => this.#onEnd(cause, options),
    };
    this.#thread = new WorkerThread<Request>(entry, input, events, { name: 'fabric', refused: (reason) => new FabricWorkerError(`VXLAN in userspace refused: ${reason}`) });
    process.on('exit', this.#stop);
  }

  /** The underlay: a bound UDP socket of IPv4, which is this object's from now on, also when it cannot be used. Rejects with SystemError, FabricWorkerError. */
  async open(socket: number): Promise<void> {
    const before = this.#socket;
    try {
      setsockopt(socket, IPPROTO_UDP, UDP_GRO, 1);
      // Whatever does not fit is cut on its way, as the kernel's VXLAN has it (its `df unset`).
      setsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
      setBuffer(socket, SO_RCVBUFFORCE, SO_RCVBUF);
      setBuffer(socket, SO_SNDBUFFORCE, SO_SNDBUF);
      await this.#request({ kind: 'socket', fd: socket });
    } catch (error) {
      fs.closeSync(socket);
      throw error;
    }
    this.#socket = socket;
    if (before >= 0) fs.closeSync(before);
  }

  /** Underlay addresses of all other nodes: what comes from elsewhere is dropped. */
  setNodes(addresses: readonly string[]): Promise<void> {
    return this.#request({ kind: 'nodes', addresses });
  }

  /** Serves a network, as it is now, by the TUN behind `fd`, which stays the caller's. */
  setNetwork(fd: number, network: NetworkSpec): Promise<void> {
    return this.#request({ kind: 'network', fd, network });
  }

  /** Afterwards its TUN is not used, as none is of a thread that has ended. Idempotent. */
  async forget(vni: number): Promise<void> {
    try {
      await this.#request({ kind: 'forget', vni });
    } catch (error) {
      if (!this.#ended) throw error;
    }
  }

  /** Datagrams that were dropped, by why. */
  drops(): Record<string, number> {
    return this.#counters.drops();
  }

  traffic(): Record<string, number> {
    return this.#counters.traffic();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#ended) await this.#thread.request({ kind: 'close' }).catch(() => undefined);
    await this.#thread.exited;
    fs.closeSync(this.#wakeUp);
    if (this.#socket >= 0) fs.closeSync(this.#socket);
  }

  // A thread that sits in poll cannot be terminated: without this, process.exit() would wait for its next wake-up.
  readonly #stop = (): void => this.#thread.stop();

  async #request(body: RequestBody<Request>): Promise<void> {
    if (this.#ended) throw this.#ended;
    await this.#thread.request(body);
  }

  #onEnd(cause: string, { onError }: FabricWorkerOptions): void {
    process.off('exit', this.#stop);
    const asked = this.#closing !== undefined;
    this.#ended = new FabricWorkerError(asked ? 'VXLAN in userspace is closed' : `the thread of VXLAN in userspace crashed: ${cause}`);
    this.#thread.rejectAll(this.#ended);
    if (!asked) onError?.(this.#ended);
  }
}

/** As much as is wanted is the host's administrator's to have; others get as much as net.core.rmem_max and wmem_max say. */
function setBuffer(socket: number, force: number, polite: number): void {
  try {
    setsockopt(socket, SOL_SOCKET, force, BUFFER);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EPERM') throw error;
    setsockopt(socket, SOL_SOCKET, polite, BUFFER);
  }
}
