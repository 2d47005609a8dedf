/**
 * The structure of DNS messages, byte by byte, before anything in them is believed (RFC 1035 section 4, RFC 6891).
 *
 * dns2 follows compression pointers for ever, reads past the end and takes a response for a query; so nothing reaches it
 * that has not passed `checkQuery`. After that check the question is `message[12, questionEnd)`, holds no pointer, and
 * can be decoded without looking. Meaning (names, types) is left to wire.ts and zone.ts.
 */
import { RCODE, TYPE } from './record.js';
import type { Rcode } from './record.js';

export const HEADER_LENGTH = 12;
/** Largest message: TCP's length prefix has 16 bits. */
export const MAX_MESSAGE = 65535;

/** RFC 1035 section 2.3.4, the length bytes and the root included. */
const MAX_NAME = 255;
const MAX_LABEL = 63;

/** Flag bits of bytes 2 and 3 of the header. */
export const FLAG = { QR: 0x8000, OPCODE: 0x7800, AA: 0x0400, TC: 0x0200, RD: 0x0100, RA: 0x0080, CD: 0x0010 } as const;

/** What the client's OPT record says. */
export interface Edns {
  /** Bytes that the client takes over UDP; smaller than 512 means 512 (RFC 6891 section 6.2.3). */
  readonly udpSize: number;
  readonly version: number;
  /** The DO bit. */
  readonly dnssecOk: boolean;
}

export interface CheckedQuery {
  readonly kind: 'query';
  /** The whole message and nothing after it. */
  readonly message: Buffer;
  /** Where the one question ends. */
  readonly questionEnd: number;
  readonly edns: Edns | undefined;
}

export type Checked =
  | CheckedQuery
  /** Answer with this code and no question: what came cannot be read any further. */
  | { readonly kind: 'reject'; readonly rcode: Rcode }
  /** Say nothing: too short to have an id and flags, or itself a response (two servers must not talk in a circle). */
  | { readonly kind: 'drop' };

const FORMERR: Checked = { kind: 'reject', rcode: RCODE.FORMERR };

/** Never throws; its time is bounded by the length of the message. */
export function checkQuery(message: Buffer): Checked {
  if (message.length < 4) return { kind: 'drop' };
  const flags = message.readUInt16BE(2);
  if (flags & FLAG.QR) return { kind: 'drop' };
  if (flags & FLAG.OPCODE) return { kind: 'reject', rcode: RCODE.NOTIMP };
  // Exactly one question: RFC 9619.
  if (message.length < HEADER_LENGTH || message.readUInt16BE(4) !== 1) return FORMERR;

  const nameEnd = endOfName(message, HEADER_LENGTH, false);
  if (nameEnd === undefined || nameEnd + 4 > message.length) return FORMERR;
  const questionEnd = nameEnd + 4;

  const records = walkRecords(message, questionEnd);
  if (!records) return FORMERR;
  let edns: Edns | undefined;
  for (const record of records) {
    if (record.type !== TYPE.OPT) continue;
    // RFC 6891 section 6.1.1: one at most, among the additional records, owned by the root.
    if (edns || record.section !== 'additional' || message[record.start] !== 0) return FORMERR;
    edns = readOpt(message, record);
    if (!edns) return FORMERR;
  }
  return { kind: 'query', message: message.subarray(0, records.at(-1)?.end ?? questionEnd), questionEnd, edns };
}

export interface RecordSpan {
  readonly section: 'answer' | 'authority' | 'additional';
  readonly start: number;
  /** Where the fixed part (type, class, TTL, length) starts. */
  readonly fixed: number;
  readonly end: number;
  readonly type: number;
}

/** The records that follow the questions; undefined when one of them does not fit in the message. */
export function walkRecords(message: Buffer, questionEnd: number): RecordSpan[] | undefined {
  const spans: RecordSpan[] = [];
  let offset = questionEnd;
  for (const [section, countAt] of SECTIONS) {
    for (let count = message.readUInt16BE(countAt); count > 0; count--) {
      const fixed = endOfName(message, offset, true);
      if (fixed === undefined || fixed + 10 > message.length) return undefined;
      const end = fixed + 10 + message.readUInt16BE(fixed + 8);
      if (end > message.length) return undefined;
      spans.push({ section, start: offset, fixed, end, type: message.readUInt16BE(fixed) });
      offset = end;
    }
  }
  return spans;
}

const SECTIONS = [['answer', 6], ['authority', 8], ['additional', 10]] as const;

/** Where the questions of a response end; undefined when they do not fit in it. At least a header is there. */
export function endOfQuestions(message: Buffer): number | undefined {
  let offset: number | undefined = HEADER_LENGTH;
  for (let count = message.readUInt16BE(4); count > 0; count--) {
    offset = endOfName(message, offset, true);
    if (offset === undefined || offset + 4 > message.length) return undefined;
    offset += 4;
  }
  return offset;
}

/**
 * Where the name at `offset` ends in the message, or undefined when it is malformed. A pointer is the end of a name: it
 * must point back, and what it points at was, or will be, checked by whoever reads it; we follow none, so none can loop.
 * The first name of a query has nothing before it to point at: a pointer in it is an error.
 */
function endOfName(message: Buffer, offset: number, pointers: boolean): number | undefined {
  const start = offset;
  for (;;) {
    const length = message[offset];
    if (length === undefined) return undefined;
    if (length === 0) return offset + 1;
    if ((length & 0xc0) === 0xc0) {
      const low = message[offset + 1];
      if (!pointers || low === undefined) return undefined;
      const target = ((length & 0x3f) << 8) | low;
      return target >= HEADER_LENGTH && target < start ? offset + 2 : undefined;
    }
    // 0x40 and 0x80 were never standardised (RFC 6891 section 5), so they read as labels that are too long.
    if (length > MAX_LABEL) return undefined;
    offset += 1 + length;
    if (offset + 1 - start > MAX_NAME) return undefined;
  }
}

/** Undefined when the options inside do not fill the record exactly. */
function readOpt(message: Buffer, record: RecordSpan): Edns | undefined {
  for (let at = record.fixed + 10; at < record.end; ) {
    if (at + 4 > record.end) return undefined;
    at += 4 + message.readUInt16BE(at + 2);
    if (at > record.end) return undefined;
  }
  return {
    udpSize: message.readUInt16BE(record.fixed + 2),
    version: message.readUInt8(record.fixed + 5),
    dnssecOk: (message.readUInt8(record.fixed + 6) & 0x80) !== 0,
  };
}
