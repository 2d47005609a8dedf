/**
 * One end of a TCP connection (RFC 9293), small but whole where a middlebox could do harm: handshake, cumulative
 * acknowledgement, a window of segments, retransmission with back-off, segments out of order, FIN of both sides, TIME-WAIT,
 * sequence numbers that wrap, keep-alive probes, and RST and SYN by RFC 5961 (only the exact sequence number resets; anything
 * else in the window is challenged). Nothing here comes from proxy/.
 *
 * Inside, positions count from 0 at the own or the peer's SYN: byte i of the stream has position i + 1.
 */
import type { Decoded, TcpFields } from '../support/packets.js';

const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;

const WINDOW = 60_000;
const IN_FLIGHT = 4;
const FIRST_TIMEOUT = 300;
const LONGEST_TIMEOUT = 3000;
/** Without a word from the peer for this long although one was due: it hangs. */
const PATIENCE = 90_000;
const KEEP_ALIVE = 5000;
/** Longer than a packet can be under way. */
export const TIME_WAIT = 5000;

export type TcpState = 'syn-sent' | 'syn-received' | 'open' | 'time-wait' | 'closed' | 'reset' | 'timed-out';

export interface TcpEnds {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
}

export interface TcpWorld {
  readonly now: number;
  after(ms: number, run: () => void): void;
  transmit(fields: TcpFields): void;
}

export interface TcpOwner {
  /** Bytes of the peer, in order. */
  received(bytes: Buffer): void;
  /** The peer has sent all it has. */
  ended(): void;
  /** The state is another one. */
  changed(state: TcpState): void;
}

export class TcpSocket {
  state: TcpState;
  /** Off while both sides are to be silent. */
  keepAlive = true;
  owner!: TcpOwner;
  #peerIsn = 0;
  #toReceive = 1;
  #acked = 0;
  #next = 0;
  #highest = 0;
  #data = Buffer.alloc(0);
  #ending = false;
  #peerEnd = -1;
  #peerEnded = false;
  #endedFirst = false;
  #early: { readonly at: number; readonly bytes: Buffer }[] = [];
  #timeout = FIRST_TIMEOUT;
  #timer = 0;
  #heard: number;

  constructor(
    private readonly world: TcpWorld,
    readonly ends: TcpEnds,
    private readonly isn: number,
    private readonly segment: number,
    /** The SYN that it answers; without one it sends its own. */
    syn?: Decoded,
  ) {
    this.#heard = world.now;
    this.state = syn ? 'syn-received' : 'syn-sent';
    if (syn) this.#peerIsn = syn.seq;
    this.#next = this.#highest = 1;
    this.#sendSyn();
    this.#arm();
    this.#watch();
  }

  get isOver(): boolean {
    return this.state === 'closed' || this.state === 'reset' || this.state === 'timed-out';
  }

  /** Everything sent is acknowledged, and the peer's end was seen. */
  get isComplete(): boolean {
    return this.state === 'closed' || this.state === 'time-wait';
  }

  /** Whether a SYN begins a new connection on these ends (RFC 9293 3.6.1, RFC 1122 4.2.2.13). */
  yieldsTo(seq: number): boolean {
    return this.isOver || (this.state === 'time-wait' && ((seq - this.#peerIsn - this.#toReceive) | 0) > 0);
  }

  write(bytes: Uint8Array): void {
    this.#data = Buffer.concat([this.#data, bytes]);
    this.#pump();
  }

  end(): void {
    this.#ending = true;
    this.#pump();
  }

  /** Gone without a word: its host died. */
  kill(): void {
    this.state = 'closed';
  }

  take(segment: Decoded): void {
    if (this.isOver) return;
    this.#heard = this.world.now;
    if (this.state === 'syn-sent') return this.#takeInSynSent(segment);
    const { flags } = segment;
    const offset = (segment.seq - this.#peerIsn - this.#toReceive) | 0;
    if ((flags & RST) !== 0) {
      if (this.state === 'time-wait') return;
      if (offset === 0) this.#become('reset');
      else if (offset > 0 && offset < WINDOW) this.#acknowledge();
      return;
    }
    if ((flags & SYN) !== 0) {
      if (this.state === 'syn-received' && offset === -1) this.#sendSyn();
      else this.#acknowledge();
      return;
    }
    if ((flags & ACK) === 0) return;
    const acknowledged = this.#acked + ((segment.ack - this.isn - this.#acked) | 0);
    if (this.state === 'syn-received' && (acknowledged < 1 || acknowledged > this.#highest)) return this.#refuse(segment.ack);
    if (acknowledged > this.#highest) return this.#acknowledge();
    if (this.state === 'syn-received') this.#become('open');
    if (acknowledged > this.#acked) {
      this.#acked = acknowledged;
      if (this.#next < acknowledged) this.#next = acknowledged;
      this.#timeout = FIRST_TIMEOUT;
      this.#arm();
    }
    this.#takeData(segment, offset);
    this.#pump();
    this.#finish();
  }

  #takeInSynSent(segment: Decoded): void {
    const { flags, ack } = segment;
    const acknowledges = (flags & ACK) !== 0 && ((ack - this.isn) | 0) === 1;
    if ((flags & ACK) !== 0 && !acknowledges) {
      if ((flags & RST) === 0) this.#refuse(ack);
      return;
    }
    if ((flags & RST) !== 0) {
      if (acknowledges) this.#become('reset');
      return;
    }
    if ((flags & SYN) === 0 || !acknowledges) return;
    this.#peerIsn = segment.seq;
    this.#acked = 1;
    this.#timeout = FIRST_TIMEOUT;
    this.#become('open');
    this.#acknowledge();
    this.#arm();
    this.#pump();
  }

  #takeData(segment: Decoded, offset: number): void {
    const payload = segment.l4.subarray((segment.l4[12]! >>> 4) * 4);
    const fin = (segment.flags & FIN) !== 0;
    if (payload.length === 0 && !fin) {
      // A keep-alive probe, or what was acknowledged before: the peer wants to hear where we are.
      if (offset < 0) this.#acknowledge();
      return;
    }
    const at = this.#toReceive + offset;
    if (offset < WINDOW && this.state === 'open') {
      if (fin) this.#peerEnd = at + payload.length;
      if (payload.length > 0 && at + payload.length > this.#toReceive) this.#early.push({ at, bytes: Buffer.from(payload) });
      this.#deliver();
    }
    this.#acknowledge();
  }

  #deliver(): void {
    for (;;) {
      this.#early = this.#early.filter(({ at, bytes }) => at + bytes.length > this.#toReceive);
      const found = this.#early.find(({ at }) => at <= this.#toReceive);
      if (found === undefined) break;
      const bytes = found.bytes.subarray(this.#toReceive - found.at);
      this.#toReceive += bytes.length;
      this.owner.received(bytes);
    }
    if (this.#peerEnded || this.#toReceive !== this.#peerEnd) return;
    this.#toReceive++;
    this.#peerEnded = true;
    this.owner.ended();
  }

  /** Sends what the window allows. */
  #pump(): void {
    if (this.state !== 'open') return;
    const end = 1 + this.#data.length;
    while (this.#next < end && this.#next - this.#acked < IN_FLIGHT * this.segment) {
      const length = Math.min(this.segment, end - this.#next);
      const last = this.#ending && this.#next + length === end;
      this.#send(last ? 'FPA' : 'PA', this.#next, this.#data.subarray(this.#next - 1, this.#next - 1 + length));
      this.#sent(this.#next + length + (last ? 1 : 0));
    }
    if (this.#ending && this.#next === end) {
      this.#send('FA', end);
      this.#sent(end + 1);
    }
  }

  #sent(next: number): void {
    if (next === this.#data.length + 2 && !this.#peerEnded && this.#highest < next) this.#endedFirst = true;
    if (this.#next === this.#acked || this.#timer === 0) this.#arm();
    this.#next = next;
    this.#highest = Math.max(this.#highest, next);
  }

  #finish(): void {
    if (this.state === 'time-wait' || !this.#peerEnded || !this.#ending || this.#acked !== this.#data.length + 2) return;
    if (!this.#endedFirst) return this.#become('closed');
    this.#become('time-wait');
    this.world.after(TIME_WAIT, () => {
      if (this.state === 'time-wait') this.#become('closed');
    });
  }

  /** The timer runs from now; one that was set before does nothing. */
  #arm(): void {
    const timer = ++this.#timer;
    this.world.after(this.#timeout, () => {
      if (timer !== this.#timer || this.isOver || this.state === 'time-wait' || this.#acked === this.#highest) return;
      this.#timeout = Math.min(2 * this.#timeout, LONGEST_TIMEOUT);
      if (this.state === 'open') {
        this.#next = this.#acked;
        this.#pump();
      } else {
        this.#sendSyn();
      }
      this.#arm();
    });
  }

  #watch(): void {
    this.world.after(KEEP_ALIVE, () => {
      if (this.isOver || this.state === 'time-wait') return;
      const silent = this.world.now - this.#heard;
      if (silent > PATIENCE) return this.#become('timed-out');
      if (this.state === 'open' && this.keepAlive && silent >= KEEP_ALIVE) this.#send('A', this.#highest - 1);
      this.#watch();
    });
  }

  #become(state: TcpState): void {
    this.state = state;
    this.owner.changed(state);
  }

  #sendSyn(): void {
    this.#send(this.state === 'syn-sent' ? 'S' : 'SA', 0);
  }

  #acknowledge(): void {
    // Not `next`: after a time-out that is behind, and the peer would answer it for ever.
    this.#send('A', this.#highest);
  }

  #refuse(seq: number): void {
    this.#transmit({ flags: 'R', seq });
  }

  #send(flags: string, at: number, payload: Uint8Array = Buffer.alloc(0)): void {
    const ack = this.state === 'syn-sent' ? 0 : (this.#peerIsn + this.#toReceive) >>> 0;
    this.#transmit({ flags, seq: (this.isn + at) >>> 0, ack, payload });
  }

  #transmit(fields: Partial<TcpFields>): void {
    const { local, localPort, remote, remotePort } = this.ends;
    this.world.transmit({ from: local, to: remote, sourcePort: localPort, destinationPort: remotePort, ...fields });
  }
}
