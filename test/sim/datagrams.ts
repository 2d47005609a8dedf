/** Conversations by UDP and echo: questions from one port or identifier, and for each at most one answer of each copy, from the VIP. */
import { randomBytes } from './random-bytes.js';
import { ipv6Of } from '../support/mesh.js';
import { type Decoded, echoFrame } from '../support/packets.js';
import type { EventQueue } from './event-queue.js';
import type { Host } from './host.js';

const PORT = 53;

interface Conversation {
  readonly service: string;
  readonly remote: string;
  readonly asked: Buffer[];
}

export interface DatagramsParts {
  readonly queue: EventQueue;
  readonly random: () => number;
  readonly fail: (what: string) => never;
}

export class Datagrams {
  #asked = 0;
  #answered = 0;
  readonly #conversations: Conversation[] = [];

  constructor(private readonly parts: DatagramsParts) {}

  start(host: Host, service: string, vip: string): void {
    const { random } = this.parts;
    const v6 = random() < 0.4 ? 1 : 0;
    const remote = v6 ? ipv6Of(vip) : vip;
    const from = host.options.addresses[v6]!;
    const id = this.#conversations.length;
    const conversation = { service, remote, asked: [] as Buffer[] };
    this.#conversations.push(conversation);
    const own = 5000 + id;
    const isEcho = random() < 0.3;
    host.takers.set(isEcho ? `echo ${own}` : own, (packet, payload) => this.#hear(conversation, packet, payload, isEcho));
    host.onError = (error, quoted) => this.#hearError(host, error, quoted);
    const left = 1 + Math.floor(random() * 12);
    for (let n = 0; n < left; n++) {
      this.parts.queue.after(n * random() * 1000, () => {
        // Some are larger than a packet can be.
        const size = 8 + Math.floor(random() * (!isEcho && random() < 0.3 ? 6000 : 900));
        const question = randomBytes(random, size);
        question.writeUInt32BE(id, 0);
        conversation.asked.push(question);
        this.#asked++;
        if (isEcho) host.send(echoFrame({ from, to: remote, identifier: own }, question));
        else host.sendUdp({ from, to: remote, sourcePort: own, destinationPort: PORT, payload: question });
      });
    }
  }

  /** The answer is the question, behind the name of who answers. */
  serve(service: string, host: Host, datagram: Decoded, payload: Buffer): Buffer {
    const conversation = this.#conversations[payload.readUInt32BE(0)];
    if (conversation?.service !== service || !conversation.asked.some((question) => question.equals(payload))) this.parts.fail(`${service} was asked what nobody asked it`);
    if (datagram.destinationPort !== PORT) this.parts.fail(`a datagram for port ${datagram.destinationPort}`);
    const name = Buffer.alloc(4);
    name.writeUInt32BE(host.options.incarnation);
    return Buffer.concat([name, payload]);
  }

  settle(outcome: Record<string, number>): void {
    outcome.asked = this.#asked;
    outcome.answered = this.#answered;
  }

  #hear({ remote, asked }: Conversation, packet: Decoded, payload: Buffer, isEcho: boolean): void {
    const { fail } = this.parts;
    if (packet.fromText !== remote || (!isEcho && packet.sourcePort !== PORT)) fail(`an answer from ${packet.fromText} ${packet.sourcePort}`);
    if (!asked.some((question) => question.equals(isEcho ? payload : payload.subarray(4)))) fail('an answer to what was not asked');
    this.#answered++;
  }

  /** There was nobody to ask, or he is gone: the quote is of a packet of this host's. */
  #hearError(host: Host, error: Decoded, quoted: Buffer): void {
    const isV4 = error.family === 4;
    const source = isV4 ? quoted.subarray(12, 16) : quoted.subarray(8, 24);
    const own = error.toText === host.options.addresses[isV4 ? 0 : 1];
    const port = quoted.readUInt16BE(isV4 ? (quoted[0]! & 15) * 4 : 40);
    if (!own || source.length !== (isV4 ? 4 : 16) || (!host.takers.has(port) && quoted[isV4 ? 9 : 6] === 17)) this.parts.fail(`an error about a packet of port ${port}, which is nobody's`);
  }
}
