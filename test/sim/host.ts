/**
 * A host of the simulated network: TCP sockets by their ends, listeners, UDP and echo. It answers what no socket wants as a
 * kernel does: a RST for a segment, a reply for an echo request. A host that died takes and sends nothing; what starts later at its
 * address is another one.
 */
import { checksumFault, type Decoded, decode, echoFrame, type TcpFields, tcpFrame, udpFrame, type UdpFields } from '../support/packets.js';
import { cut } from '../support/fragments.js';
import type { EventQueue } from './event-queue.js';
import { Assembly } from './assembly.js';
import { type TcpEnds, TcpSocket } from './tcp-socket.js';

const SYN = 2;
const RST = 4;
const ACK = 16;

const LARGEST_UNCUT = 1200;

export interface HostParts {
  readonly queue: EventQueue;
  readonly random: () => number;
  /** Puts a frame on the host's link. */
  readonly transmit: (host: Host, frame: Buffer) => void;
  readonly fail: (what: string) => never;
}

export interface HostOptions {
  /** Every address that is the host's, one of each family. */
  readonly addresses: readonly string[];
  /** Counts up: no two hosts have the same, not even one after the other at an address. */
  readonly incarnation: number;
  /** A socket for a SYN to any port, when it serves; its owner is to be set. */
  readonly accept?: (host: Host, make: () => TcpSocket) => TcpSocket;
  /** A datagram to a port that it has no client on: what it answers. */
  readonly serve?: (host: Host, datagram: Decoded, payload: Buffer) => Buffer;
}

const keyOf = (remote: string, remotePort: number, localPort: number): string => `${remote} ${remotePort} ${localPort}`;

export class Host {
  isAlive = true;
  readonly sockets = new Map<string, TcpSocket>();
  /** Takers of datagrams and echo replies by own port, or `echo n` for an identifier. */
  readonly takers = new Map<number | string, (packet: Decoded, payload: Buffer) => void>();
  /** Of an ICMP error: what it quotes. */
  onError: (error: Decoded, quoted: Buffer) => void = () => undefined;
  /** Identifications begin elsewhere than those of the host that had the address before, whose fragments may still be held. */
  #datagrams = 0;
  readonly #assembly = new Assembly();

  constructor(
    private readonly parts: HostParts,
    readonly options: HostOptions,
  ) {}

  die(): void {
    this.isAlive = false;
    for (const socket of this.sockets.values()) socket.kill();
  }

  /** Sockets that are not over. */
  open(): number {
    return [...this.sockets.values()].filter((socket) => !socket.isOver && socket.state !== 'time-wait').length;
  }

  connect(ends: TcpEnds): TcpSocket {
    return this.#socket(ends);
  }

  isFree(remote: string, remotePort: number, localPort: number): boolean {
    return this.sockets.get(keyOf(remote, remotePort, localPort))?.isOver ?? true;
  }

  /** Cut into fragments when it is larger than the MTU. */
  sendUdp(fields: UdpFields): void {
    const length = fields.payload?.length ?? 0;
    if (length <= LARGEST_UNCUT) return this.send(udpFrame({ ...fields, partial: this.parts.random() < 0.5 }));
    const at = Array.from({ length: Math.floor(length / 1200) }, (_, i) => 1200 * (i + 1));
    for (const part of cut(udpFrame(fields), { at, id: (1000 * this.options.incarnation + ++this.#datagrams) & 0xffff })) this.send(part);
  }

  send(frame: Buffer): void {
    if (this.isAlive) this.parts.transmit(this, frame);
  }

  receive(bytes: Buffer): void {
    if (!this.isAlive) return;
    const frame = this.#assembly.add(bytes);
    if (frame === undefined) return;
    const fault = checksumFault(frame);
    if (fault !== undefined) this.parts.fail(`wrong ${fault} delivered`);
    const packet = decode(frame);
    if (!this.options.addresses.includes(packet.toText)) this.parts.fail(`a packet for ${packet.toText} delivered to ${this.options.addresses.join()}`);
    if (packet.protocol === 6) this.#takeTcp(packet);
    else if (packet.protocol === 17) this.#takeUdp(packet);
    else this.#takeIcmp(packet);
  }

  #takeTcp(segment: Decoded): void {
    const key = keyOf(segment.fromText, segment.sourcePort, segment.destinationPort);
    const socket = this.sockets.get(key);
    const isSyn = (segment.flags & (SYN | ACK | RST)) === SYN;
    if (socket !== undefined && !socket.isOver && !(isSyn && socket.yieldsTo(segment.seq))) return socket.take(segment);
    if (isSyn && this.options.accept) {
      const ends = { local: segment.toText, localPort: segment.destinationPort, remote: segment.fromText, remotePort: segment.sourcePort };
      this.options.accept(this, () => this.#socket(ends, segment));
      return;
    }
    if ((segment.flags & RST) !== 0) return;
    const answer = { from: segment.toText, to: segment.fromText, sourcePort: segment.destinationPort, destinationPort: segment.sourcePort };
    if ((segment.flags & ACK) !== 0) return this.send(tcpFrame({ ...answer, flags: 'R', seq: segment.ack }));
    this.send(tcpFrame({ ...answer, flags: 'RA', seq: 0, ack: (segment.seq + 1) >>> 0 }));
  }

  #takeUdp(datagram: Decoded): void {
    const payload = datagram.l4.subarray(8);
    const taker = this.takers.get(datagram.destinationPort);
    if (taker) return taker(datagram, payload);
    if (this.options.serve === undefined) this.parts.fail(`a datagram for nobody: port ${datagram.destinationPort} of ${datagram.toText}`);
    const answer = this.options.serve(this, datagram, payload);
    this.sendUdp({ from: datagram.toText, to: datagram.fromText, sourcePort: datagram.destinationPort, destinationPort: datagram.sourcePort, payload: answer });
  }

  #takeIcmp(packet: Decoded): void {
    const type = packet.l4[0]!;
    const identifier = packet.l4.readUInt16BE(4);
    if (type === 8 || type === 128) {
      this.send(echoFrame({ from: packet.toText, to: packet.fromText, reply: true, identifier }, packet.l4.subarray(8)));
    } else if (type === 0 || type === 129) {
      const taker = this.takers.get(`echo ${identifier}`);
      if (taker === undefined) this.parts.fail(`an echo reply for nobody: identifier ${identifier}`);
      taker(packet, packet.l4.subarray(8));
    } else {
      this.onError(packet, packet.l4.subarray(8));
    }
  }

  #socket(ends: TcpEnds, syn?: Decoded): TcpSocket {
    const { queue, random } = this.parts;
    // Often so near the top that the numbers wrap.
    const isn = random() < 0.4 ? (2 ** 32 - Math.floor(random() * 3000)) >>> 0 : Math.floor(random() * 2 ** 32);
    const world = {
      get now() {
        return queue.now;
      },
      after: (ms: number, run: () => void) => queue.after(ms, run),
      transmit: (fields: TcpFields) => this.send(tcpFrame({ ...fields, partial: random() < 0.5 })),
    };
    const socket = new TcpSocket(world, ends, isn, 100 + Math.floor(random() * 900), syn);
    this.sockets.set(keyOf(ends.remote, ends.remotePort, ends.localPort), socket);
    return socket;
  }
}
