/**
 * From the bytes of a query to the bytes of its response: checks the message, asks the zone, forwards what is not ours.
 * Knows no socket. One responder serves every sandbox; each brings its own zone.
 */
import { checkQuery } from './message.js';
import type { CheckedQuery } from './message.js';
import { CLASS_IN, RCODE, TYPE } from './record.js';
import type { DnsProtocol } from './record.js';
import { answer } from './zone.js';
import type { Zone } from './zone.js';
import type { Forwarder } from './forward.js';
import { decodeQuestion, encodeAnswer, encodeFailure, encodeRejection, refusalOf, responseLimit } from './wire.js';

/** `undefined`: say nothing. A promise only when the query went to a resolver; it never rejects. */
export type Response = Buffer | undefined | Promise<Buffer>;

export class Responder {
  readonly #forwarder: Forwarder;
  readonly #random: () => number;
  readonly #counters = { queriesUdp: 0, queriesTcp: 0, answered: 0, nameErrors: 0, blocked: 0, notImplemented: 0, malformed: 0, dropped: 0, truncated: 0 };

  constructor(forwarder: Forwarder, random: () => number) {
    this.#forwarder = forwarder;
    this.#random = random;
  }

  respond(message: Buffer, protocol: DnsProtocol, zone: Zone): Response {
    this.#counters[protocol === 'udp' ? 'queriesUdp' : 'queriesTcp']++;
    const checked = checkQuery(message);
    switch (checked.kind) {
      case 'drop':
        this.#counters.dropped++;
        return undefined;
      case 'reject':
        this.#counters[checked.rcode === RCODE.NOTIMP ? 'notImplemented' : 'malformed']++;
        return encodeRejection(message, checked.rcode);
      case 'query':
        return this.#respondTo(checked, protocol, zone);
    }
  }

  counters(): Record<string, number> {
    return { ...this.#counters, ...this.#forwarder.counters() };
  }

  #respondTo(query: CheckedQuery, protocol: DnsProtocol, zone: Zone): Buffer | Promise<Buffer> {
    const refusal = refusalOf(query);
    if (refusal !== undefined) return encodeFailure(query, refusal);

    const question = decodeQuestion(query);
    // Other classes are no names of ours, and forwarded they would tell the outside which names we have. A zone transfer
    // is several messages: a forwarder that waits for one cannot carry it.
    if (question.class !== CLASS_IN || question.type === TYPE.AXFR || question.type === TYPE.IXFR) {
      this.#counters.notImplemented++;
      return encodeFailure(query, RCODE.NOTIMP);
    }

    const decision = answer(zone, question, this.#random);
    if (decision === 'forward') return this.#forwarder.resolve(query, protocol);
    if (decision === 'blocked') {
      this.#counters.blocked++;
      return encodeFailure(query, RCODE.NXDOMAIN);
    }
    this.#counters[decision.rcode === RCODE.NXDOMAIN ? 'nameErrors' : 'answered']++;
    const { response, truncated } = encodeAnswer(query, decision, responseLimit(query, protocol));
    if (truncated) this.#counters.truncated++;
    return response;
  }
}
