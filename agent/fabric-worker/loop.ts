/**
 * The loop of the fabric worker: wait for the underlay's socket, for TUNs and for requests, and move what has come. It owns its thread. Nothing
 * is allocated per packet; what a packet is, is proxy/vxlan's to know.
 */
import { POLLERR, POLLHUP, POLLIN, POLLNVAL } from '../../kernel/ffi/constants.js';
import { clearEvent, poll } from '../../kernel/ffi/libc.js';
import { PollSet } from '../../kernel/ffi/structs.js';
import type { Reply } from '../../proxy/dataplane/messages.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { Admission } from '../../proxy/vxlan/admission.js';
import type { Counters } from '../../proxy/vxlan/counters.js';
import { Network } from '../../proxy/vxlan/network.js';
import type { Request } from './messages.js';
import { Receiver } from './receiver.js';
import { Sender } from './sender.js';

/** Frames of one TUN in a turn: then it is the others', and the underlay's. */
const FRAMES_PER_TURN = 16;
/** Gives a thread that is told to terminate the chance. */
const IDLE_MS = 10_000;
/** Places in what is waited for; TUNs follow. */
const WAKE_UP = 0;
const SOCKET = 1;
const DEVICES = 2;
/** poll(2) passes over it. */
const NONE = -1;

export interface LoopParts {
  readonly counters: Counters;
  /** An eventfd that does not block, readable when there is a request. */
  readonly wakeUp: number;
  receive(): Request | undefined;
  send(reply: Reply): void;
}

interface Attached {
  readonly network: Network;
  readonly fd: number;
}

export class FabricLoop {
  readonly #parts: LoopParts;
  readonly #admission = new Admission();
  /** By VNI. */
  readonly #devices = new Map<number, number>();
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  /** In the order of the poll set. */
  #attached: readonly Attached[] = [];
  #set = new PollSet(DEVICES);
  #socket = NONE;
  #closing = false;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#sender = new Sender(parts.counters);
    this.#receiver = new Receiver(parts.counters, this.#admission, this.#devices);
    this.#watch();
  }

  /** Serves until told to close. */
  run(): void {
    while (!this.#closing) this.round();
  }

  /** One wait and what it brings. */
  round(): void {
    if (poll(this.#set.bytes, DEVICES + this.#attached.length, IDLE_MS) <= 0) return;
    // It may change while it is gone through.
    const [set, attached] = [this.#set, this.#attached];
    const woken = (set.ready(WAKE_UP) & POLLIN) !== 0;
    if (woken) clearEvent(this.#parts.wakeUp);
    if (set.ready(SOCKET) !== 0) this.#receiver.receive(this.#socket);
    for (let i = 0; i < attached.length; i++) {
      const ready = set.ready(DEVICES + i);
      if ((ready & POLLIN) !== 0) this.#drain(attached[i]!);
      else if ((ready & (POLLERR | POLLHUP | POLLNVAL)) !== 0) this.#lose(attached[i]!.network.vni, 0);
    }
    if (woken) this.#requests();
  }

  #drain({ fd, network }: Attached): void {
    for (let n = 0; n < FRAMES_PER_TURN; n++) {
      const length = this.#sender.take(fd, network);
      if (length > 0) continue;
      if (length < 0) this.#lose(network.vni, -length);
      return;
    }
  }

  #lose(vni: number, errno: number): void {
    this.#forget(vni);
    this.#parts.send({ kind: 'lost', network: vni, errno });
  }

  #requests(): void {
    for (let request = this.#parts.receive(); request; request = this.#parts.receive()) {
      const { id } = request;
      try {
        this.#handle(request);
        this.#parts.send({ kind: 'done', id });
      } catch (error) {
        this.#parts.send({ kind: 'failed', id, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }

  #handle(request: Request): void {
    switch (request.kind) {
      case 'socket':
        this.#socket = request.fd;
        this.#sender.use(request.fd);
        this.#watch();
        break;
      case 'nodes':
        this.#admission.setNodes(new Set(request.addresses.map(parseIpv4)));
        break;
      case 'network': {
        const network = new Network(request.network);
        this.#forget(network.vni);
        this.#admission.setNetwork(network);
        this.#devices.set(network.vni, request.fd);
        this.#attached = [...this.#attached, { network, fd: request.fd }];
        this.#watch();
        break;
      }
      case 'forget':
        this.#forget(request.vni);
        break;
      case 'close':
        this.#closing = true;
    }
  }

  #forget(vni: number): void {
    if (!this.#devices.delete(vni)) return;
    this.#admission.forget(vni);
    this.#attached = this.#attached.filter(({ network }) => network.vni !== vni);
    this.#watch();
  }

  #watch(): void {
    const set = new PollSet(DEVICES + this.#attached.length);
    set.set(WAKE_UP, this.#parts.wakeUp, POLLIN);
    set.set(SOCKET, this.#socket, POLLIN);
    this.#attached.forEach(({ fd }, i) => set.set(DEVICES + i, fd, POLLIN));
    this.#set = set;
  }
}
