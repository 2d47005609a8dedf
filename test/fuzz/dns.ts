/**
 * Fuzz target of the name server's parser and of everything behind it: valid messages with bytes changed, cut, doubled and
 * spliced, and noise. A find is an exception whose message holds the bytes; it becomes a fixture in
 * test/unit/overlay/dns/malformed.ts.
 */
import { fitResponse, Forwarder } from '../../overlay/dns/forward.js';
import { Responder } from '../../overlay/dns/responder.js';
import { MessageSplitter } from '../../overlay/dns/stream.js';
import { compileZone } from '../../overlay/dns/zone.js';
import { back, buildQuery, buildResponse, overlay1, parseResponse, seededRandom, u16, viewOf } from '../support/dns.js';

class FuzzFindError extends Error {
  override readonly name = 'FuzzFindError';
}

type Random = () => number;

/**
 * Runs `iterations` inputs drawn from `seed` (any integer; the same seed gives the same inputs). Rejects with
 * FuzzFindError. Resolves to how many inputs had which outcome.
 */
export async function fuzzDns(seed: number, iterations: number): Promise<Record<string, number>> {
  const random = seededRandom(seed);
  const zones = [compileZone(viewOf(overlay1({ dnsrr: 60 }), back())), compileZone(viewOf(overlay1({ internal: true }))), compileZone(viewOf())];
  // An upstream that is as broken as the clients.
  let forwarded = false;
  const forwarder = new Forwarder((query) => {
    forwarded = true;
    return Promise.resolve(chance(random, 0.2) ? undefined : mutate(buildResponse(query, addresses(random)), random));
  });
  const responder = new Responder(forwarder, random);
  const outcomes: Record<string, number> = { none: 0, cutUpstream: 0 };

  for (let i = 0; i < iterations; i++) {
    const message = mutate(seedMessage(random), random);
    const protocol = chance(random, 0.5) ? 'udp' : 'tcp';
    forwarded = false;
    try {
      const response = await responder.respond(message, protocol, pick(zones, random));
      if (response) {
        verify(message, response, protocol);
        if (!forwarded) verifyOwn(message, response);
        const key = `${forwarded ? 'forwarded' : 'rcode'}${response.readUInt16BE(2) & 15}`;
        outcomes[key] = (outcomes[key] ?? 0) + 1;
      } else {
        outcomes.none = (outcomes.none ?? 0) + 1;
      }
      outcomes.cutUpstream = (outcomes.cutUpstream ?? 0) + verifyFit(message, random);
      verifySplitter(message, random);
    } catch (error) {
      throw new FuzzFindError(`dns seed ${seed} iteration ${i}, ${protocol} ${message.toString('hex')}: ${String(error)}`, { cause: error });
    }
  }
  return outcomes;
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** What is true of every response, whatever the query was and whoever answered. */
function verify(message: Buffer, response: Buffer, protocol: 'udp' | 'tcp'): void {
  must(message.length >= 4 && (message.readUInt16BE(2) & 0x8000) === 0, 'answered what has no id, or is a response');
  must(response.length >= 12 && response.length <= (protocol === 'udp' ? 4096 : 65535), `response of ${response.length} bytes`);
  must(response.readUInt16BE(0) === message.readUInt16BE(0), 'another id');
  must((response.readUInt16BE(2) & 0x8000) !== 0, 'a query as a response');
}

/** What is true of every response that we made ourselves. */
function verifyOwn(message: Buffer, response: Buffer): void {
  const parsed = parseResponse(response);
  must(parsed.ra, 'no RA');
  must(parsed.questions.length === (parsed.rcode === 1 || parsed.opcode !== 0 ? 0 : 1), 'how many questions');
  if (parsed.questions.length === 1) {
    const end = 12 + message.subarray(12).indexOf(0) + 5;
    must(response.subarray(12, end).equals(message.subarray(12, end)), 'another question');
  }
  must(parsed.answers.every((record) => record.ttl === 600 && record.class === 1), 'an answer that is not ours');
  must(parsed.answers.length === 0 || (parsed.aa && parsed.rcode === 0), 'answers without authority');
}

/** Cutting arbitrary bytes as if they were a response. 1 when something was cut. */
function verifyFit(message: Buffer, random: Random): number {
  if (message.length < 12) return 0;
  const limit = 12 + Math.floor(random() * message.length);
  const fitted = fitResponse(message, limit);
  must(fitted.length <= limit, 'does not fit');
  return fitted === message ? 0 : 1;
}

/** A stream cut anywhere gives the messages that went in. */
function verifySplitter(message: Buffer, random: Random): void {
  const stream = Buffer.concat([u16(message.length), message, u16(0), u16(message.length), message]);
  const splitter = new MessageSplitter();
  const messages: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const size = 1 + Math.floor(random() * random() * stream.length);
    messages.push(...splitter.push(stream.subarray(at, at + size)));
    at += size;
  }
  must(messages.length === 3 && messages[1]?.length === 0 && message.equals(messages[0] as Buffer) && message.equals(messages[2] as Buffer), 'the splitter lost something');
}

const NAMES = ['vote', 'dv', 'tasks.dv', 'VOTE.overlay1', '6.1.0.10.in-addr.arpa', 'nobody', 'nobody.overlay1', 'example.com', '', `${'a'.repeat(63)}.${'b'.repeat(63)}`];
const TYPES = [1, 1, 1, 12, 28, 41, 251, 252, 255, 65535];

function seedMessage(random: Random): Buffer {
  const edns = { size: Math.floor(random() * 65536), version: chance(random, 0.1) ? 1 : 0, flags: chance(random, 0.5) ? 0x8000 : 0, options: chance(random, 0.5) ? Buffer.concat([u16(10, 8), Buffer.alloc(8)]) : Buffer.alloc(0) };
  const query = buildQuery({ id: Math.floor(random() * 65536), name: pick(NAMES, random), type: pick(TYPES, random), class: chance(random, 0.9) ? 1 : 3, ...(chance(random, 0.5) && { edns }) });
  return chance(random, 0.1) ? buildResponse(query, addresses(random)) : query;
}

function addresses(random: Random): string[] {
  return Array.from({ length: Math.floor(random() * 60) }, (_, index) => `192.0.2.${index}`);
}

function mutate(original: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(original);
  for (let rounds = Math.floor(random() * 4); rounds > 0; rounds--) {
    const at = Math.floor(random() * (bytes.length + 1));
    switch (Math.floor(random() * 7)) {
      case 0:
        if (at < bytes.length) bytes.writeUInt8(Math.floor(random() * 256), at);
        break;
      case 1:
        if (at < bytes.length) bytes.writeUInt8(pick([0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff], random), at);
        break;
      case 2:
        // A pointer, mostly to somewhere near.
        if (at + 1 < bytes.length) bytes.writeUInt16BE(0xc000 | Math.floor(random() * (bytes.length + 4)), at);
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes]);
        break;
      case 5:
        bytes = Buffer.concat([bytes, Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)))]);
        break;
      default: {
        // One of the four counts.
        const count = 4 + 2 * Math.floor(random() * 4);
        if (count + 2 <= bytes.length) bytes.writeUInt16BE(pick([0, 1, 2, 3, 255, 65535], random), count);
      }
    }
  }
  return bytes;
}

function chance(random: Random, probability: number): boolean {
  return random() < probability;
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)] as T;
}
