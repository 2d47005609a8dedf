/**
 * Queries that are not ours: out as the bytes that came, back as the bytes that were answered.
 *
 * Here are the bound on how many are out at once and the client's side of the answer: its id, its size. Which resolver,
 * how long, and when to try the next one belong to the `forward` function that the agent gives.
 */
import { MAX_MESSAGE, FLAG, HEADER_LENGTH, endOfQuestions, walkRecords } from './message.js';
import type { CheckedQuery, RecordSpan } from './message.js';
import { RCODE, TYPE } from './record.js';
import type { DnsProtocol } from './record.js';
import { encodeFailure, responseLimit } from './wire.js';

/** Answers the response of a resolver, or undefined when none gave one. It must settle: it holds one of the places. */
export type ForwardFunction = (query: Buffer, protocol: DnsProtocol) => Promise<Buffer | undefined>;

/** Queries out at once, of all sandboxes together. Docker's number. */
export const MAX_FORWARDS = 1024;

export class Forwarder {
  readonly #forward: ForwardFunction;
  readonly #limit: number;
  #pending = 0;
  #forwarded = 0;
  #failed = 0;
  #refused = 0;

  constructor(forward: ForwardFunction, limit = MAX_FORWARDS) {
    this.#forward = forward;
    this.#limit = limit;
  }

  /**
   * Never rejects. No usable answer is SERVFAIL; no place is REFUSED at once, as in Docker and dnsmasq: some stub
   * resolvers (musl) send a query again as soon as they read SERVFAIL, which is the last thing an overload needs.
   */
  async resolve(query: CheckedQuery, protocol: DnsProtocol): Promise<Buffer> {
    if (this.#pending >= this.#limit) {
      this.#refused++;
      return encodeFailure(query, RCODE.REFUSED);
    }
    this.#pending++;
    this.#forwarded++;
    let response: Buffer | undefined;
    try {
      response = await this.#forward(query.message, protocol);
    } catch {
      response = undefined;
    } finally {
      this.#pending--;
    }
    if (response && isAnswerTo(query, response)) {
      const own = Buffer.from(response);
      query.message.copy(own, 0, 0, 2);
      return fitResponse(own, responseLimit(query, protocol));
    }
    this.#failed++;
    return encodeFailure(query, RCODE.SERVFAIL);
  }

  counters(): Record<string, number> {
    return {
      forwarded: this.#forwarded,
      forwardsPending: this.#pending,
      forwardsFailed: this.#failed,
      forwardsRefused: this.#refused,
    };
  }
}

/** A response, and to the question that was asked. The id is the upstream's own. */
function isAnswerTo(query: CheckedQuery, response: Buffer): boolean {
  if (response.length < HEADER_LENGTH || response.length > MAX_MESSAGE) return false;
  const flags = response.readUInt16BE(2);
  if (!(flags & FLAG.QR)) return false;
  // A resolver that could not read the query says so without repeating it.
  if (response.readUInt16BE(4) === 0) return (flags & 15) !== 0;
  return response.readUInt16BE(4) === 1 && sameQuestion(query, response);
}

/** Names compare without regard to case (RFC 4343). Length bytes are below 64, so no letter is ever mistaken for one. */
function sameQuestion(query: CheckedQuery, response: Buffer): boolean {
  const { message, questionEnd } = query;
  if (response.length < questionEnd) return false;
  const nameEnd = questionEnd - 4;
  for (let i = HEADER_LENGTH; i < nameEnd; i++) {
    if (lower(message[i] as number) !== lower(response[i] as number)) return false;
  }
  return message.subarray(nameEnd, questionEnd).equals(response.subarray(nameEnd, questionEnd));
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/**
 * Shortens a response that is larger than `limit`: whole records from the front, the TC bit set, the OPT record kept
 * (RFC 6891 section 7). Compression points backwards only, so what stays never refers to what goes.
 * What cannot be walked keeps its header only.
 */
export function fitResponse(response: Buffer, limit: number): Buffer {
  if (response.length <= limit) return response;
  const questionEnd = endOfQuestions(response);
  const readable = questionEnd !== undefined && questionEnd <= limit;
  const records = readable ? (walkRecords(response, questionEnd) ?? []) : [];

  let end = readable ? questionEnd : HEADER_LENGTH;
  // The owner of an OPT record is the root: it holds no pointer, so it can move.
  const opt = records.find((record) => record.type === TYPE.OPT && response[record.start] === 0 && end + record.end - record.start <= limit);
  const room = limit - (opt ? opt.end - opt.start : 0);
  const counts: Record<RecordSpan['section'], number> = { answer: 0, authority: 0, additional: opt ? 1 : 0 };
  for (const record of records) {
    if (record === opt || record.end > room) break;
    counts[record.section]++;
    end = record.end;
  }

  const kept = Buffer.concat([response.subarray(0, end), opt ? response.subarray(opt.start, opt.end) : Buffer.alloc(0)]);
  kept.writeUInt16BE(kept.readUInt16BE(2) | FLAG.TC, 2);
  if (!readable) kept.writeUInt16BE(0, 4);
  kept.writeUInt16BE(counts.answer, 6);
  kept.writeUInt16BE(counts.authority, 8);
  kept.writeUInt16BE(counts.additional, 10);
  return kept;
}
