/**
 * The wire format of what we say ourselves, over dns2 (the only file that imports it).
 *
 * dns2 sees one question or one record at a time, never a whole message: its reader trusts what it reads, and its writer
 * copies everything written so far for each record, which is quadratic. Headers, the echo of the question and the choice of
 * what fits are made here. A faster codec has to replace `decodeQuestion` and `encodeRecord` and nothing else.
 *
 * The question in a response is the client's own bytes, so its spelling (0x20 bits) comes back as it was.
 */
import Packet from 'dns2/packet.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import { CLASS_IN, RCODE, TYPE } from './record.js';
import type { Answer, AnswerRecord, DnsProtocol, Question, Rcode } from './record.js';
import { FLAG, HEADER_LENGTH, MAX_MESSAGE } from './message.js';
import type { CheckedQuery, Edns } from './message.js';

/**
 * What we send and take over UDP. The usual 1232 keeps a datagram from being fragmented on the way; these never leave
 * the loopback device, whose MTU is 65536, so the classic 4096 spares clients that offer it a second query over TCP.
 */
export const UDP_SIZE = 4096;
/** RFC 1035 section 4.2.1: what every client takes over UDP. */
const CLASSIC_UDP_SIZE = 512;

const EDNS_VERSION = 0;

/** Bytes of the largest response to this query over this protocol. */
export function responseLimit(query: CheckedQuery, protocol: DnsProtocol): number {
  if (protocol === 'tcp') return MAX_MESSAGE;
  return Math.max(CLASSIC_UDP_SIZE, Math.min(query.edns?.udpSize ?? 0, UDP_SIZE));
}

/**
 * The question, decoded. A dot inside a label reads like one between labels: harmless, because the answer repeats the
 * question's bytes and not this text.
 */
export function decodeQuestion(query: CheckedQuery): Question {
  const { name, type, class: cls } = Packet.Question.decode(query.message.subarray(HEADER_LENGTH, query.questionEnd));
  return { name, type, class: cls };
}

/** BADVERS for an EDNS version that we do not speak (RFC 6891 section 6.1.3), otherwise undefined. */
export function refusalOf(query: CheckedQuery): Rcode | undefined {
  return query.edns && query.edns.version !== EDNS_VERSION ? RCODE.BADVERS : undefined;
}

/** Whole records while they fit in `limit` bytes; the TC bit (`truncated`) when one did not. */
export function encodeAnswer(query: CheckedQuery, answer: Answer, limit: number): { response: Buffer; truncated: boolean } {
  const opt = query.edns ? encodeOpt(query.edns, answer.rcode) : undefined;
  const question = query.message.subarray(HEADER_LENGTH, query.questionEnd);
  const parts: Buffer[] = [question];
  let size = query.questionEnd + (opt?.length ?? 0);
  let count = 0;
  for (const record of answer.answers) {
    const bytes = encodeRecord(record);
    if (size + bytes.length > limit) break;
    parts.push(bytes);
    size += bytes.length;
    count++;
  }
  if (opt) parts.push(opt);

  const truncated = count < answer.answers.length;
  let flags = FLAG.QR | FLAG.RA | (answer.rcode & 15);
  if (answer.authoritative) flags |= FLAG.AA;
  if (truncated) flags |= FLAG.TC;
  return { response: Buffer.concat([encodeHeader(query.message, flags, 1, count, opt ? 1 : 0), ...parts]), truncated };
}

/** A response that says only `rcode`, to a query that was understood. */
export function encodeFailure(query: CheckedQuery, rcode: Rcode): Buffer {
  return encodeAnswer(query, { rcode, authoritative: false, answers: [] }, MAX_MESSAGE).response;
}

/** A response that says only `rcode`, to a message of which nothing but id and flags can be trusted. */
export function encodeRejection(message: Buffer, rcode: Rcode): Buffer {
  return encodeHeader(message, FLAG.QR | FLAG.RA | (message.readUInt16BE(2) & FLAG.OPCODE) | rcode, 0, 0, 0);
}

/** RD is copied (RFC 1035 section 4.1.1), and CD (RFC 4035 section 3.1.6). */
function encodeHeader(query: Buffer, flags: number, questions: number, answers: number, additional: number): Buffer {
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(flags | (query.readUInt16BE(2) & (FLAG.RD | FLAG.CD)), 2);
  header.writeUInt16BE(questions, 4);
  header.writeUInt16BE(answers, 6);
  header.writeUInt16BE(additional, 10);
  return header;
}

/** A pointer to offset 12, the question's name: every answer is about that name. */
const OWNER = Buffer.from([0xc0, HEADER_LENGTH]);

function encodeRecord(record: AnswerRecord): Buffer {
  if (record.type === TYPE.PTR) return withOwner({ type: TYPE.PTR, ttl: record.ttl, domain: record.target });
  const isIpv6 = record.type === TYPE.AAAA;
  const bytes = Buffer.from(isIpv6 ? ADDRESS_RECORD_6 : ADDRESS_RECORD);
  bytes.writeUInt32BE(record.ttl, 6);
  const words = isIpv6 ? parseIpv6(record.address) : [parseIpv4(record.address)];
  words.forEach((word, i) => bytes.writeInt32BE(word, 12 + 4 * i));
  return bytes;
}

function withOwner(record: { type: number; ttl: number; address?: string; domain?: string }): Buffer {
  // dns2 does not compress. It writes the owner as the root, one byte: the pointer goes there.
  return Buffer.concat([OWNER, Packet.Resource.encode({ ...record, name: '', class: CLASS_IN }).subarray(1)]);
}

/** All A records are alike but for TTL and address, and all AAAA records. dns2 takes tens of microseconds for one, and a service may have hundreds of tasks. */
const ADDRESS_RECORD = withOwner({ type: TYPE.A, ttl: 0, address: '0.0.0.0' });
const ADDRESS_RECORD_6 = withOwner({ type: TYPE.AAAA, ttl: 0, address: '0:0:0:0:0:0:0:0' });

/** RFC 6891 section 6.1.3: the TTL holds the upper bits of the code, the version and the DO bit (copied, RFC 3225). */
function encodeOpt(edns: Edns, rcode: Rcode): Buffer {
  const ttl = ((rcode >> 4) << 24) | (EDNS_VERSION << 16) | (edns.dnssecOk ? 0x8000 : 0);
  return Packet.Resource.encode({ name: '', type: TYPE.OPT, class: UDP_SIZE, ttl, rdata: [] });
}
