/**
 * The few DNS values that the zone decides with and the wire format carries: numbers from the IANA registry, a question
 * and a record. No bytes here (message.ts, wire.ts) and no names of ours (zone.ts).
 */

/** RFC 1035 section 3.2.2 and later. */
export const TYPE = { A: 1, PTR: 12, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;

export const CLASS_IN = 1;

/** RFC 1035 section 4.1.1; BADVERS is RFC 6891 section 9 and needs an OPT record for its upper bits. */
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = (typeof RCODE)[keyof typeof RCODE];

export interface Question {
  /** As the client spelt it, without the final dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

/** A record of class IN whose owner is the name that was asked for. */
export type AnswerRecord =
  | { readonly type: typeof TYPE.A | typeof TYPE.AAAA; readonly ttl: number; readonly address: string }
  | { readonly type: typeof TYPE.PTR; readonly ttl: number; readonly target: string };

/** What we say ourselves, before it is bytes. */
export interface Answer {
  readonly rcode: Rcode;
  /** We are the ones to know this name (the AA bit). */
  readonly authoritative: boolean;
  readonly answers: readonly AnswerRecord[];
}

export type DnsProtocol = 'udp' | 'tcp';
