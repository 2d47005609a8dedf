/**
 * Malformed queries, in hexadecimal, and what is to be said to them. Finds of the fuzzer are added here.
 */

export type Verdict = 'drop' | 'FORMERR' | 'NOTIMP';

const VOTE = '04766f746500';
const A_IN = '00010001';
/** An OPT record without options. */
const OPT = '00 0029 04d0 00000000 0000';

/** The header of an ordinary query, then what follows it. */
function query(rest: string, counts = '0001 0000 0000 0000'): string {
  return `1234 0100 ${counts} ${rest}`;
}

const WITH_ADDITIONAL = '0001 0000 0000 0001';

export const MALFORMED: readonly { what: string; hex: string; verdict: Verdict }[] = [
  { what: 'nothing', hex: '', verdict: 'drop' },
  { what: 'an id alone', hex: '1234', verdict: 'drop' },
  { what: 'half a header', hex: '1234 0100 0001', verdict: 'FORMERR' },
  { what: 'a response as a query', hex: `1234 8180 0001 0000 0000 0000 ${VOTE} ${A_IN}`, verdict: 'drop' },
  { what: 'a malformed response as a query', hex: '1234 8180 ffff', verdict: 'drop' },
  { what: 'opcode STATUS', hex: `1234 1000 0001 0000 0000 0000 ${VOTE} ${A_IN}`, verdict: 'NOTIMP' },
  { what: 'opcode NOTIFY', hex: `1234 2400 0001 0000 0000 0000 ${VOTE} 00060001`, verdict: 'NOTIMP' },
  { what: 'opcode UPDATE without a zone', hex: '1234 2800 0000 0000 0000 0000', verdict: 'NOTIMP' },
  { what: 'QDCOUNT 0', hex: query('', '0000 0000 0000 0000'), verdict: 'FORMERR' },
  { what: 'QDCOUNT 0 with an OPT record', hex: query(OPT, '0000 0000 0000 0001'), verdict: 'FORMERR' },
  { what: 'QDCOUNT 2', hex: query(`${VOTE} ${A_IN} ${VOTE} ${A_IN}`, '0002 0000 0000 0000'), verdict: 'FORMERR' },
  { what: 'QDCOUNT 65535', hex: query(`${VOTE} ${A_IN}`, 'ffff 0000 0000 0000'), verdict: 'FORMERR' },
  { what: 'no question where one is announced', hex: query(''), verdict: 'FORMERR' },
  { what: 'a name that points at itself', hex: query(`c00c ${A_IN}`), verdict: 'FORMERR' },
  { what: 'two pointers in a circle', hex: query(`c00e c00c ${A_IN}`), verdict: 'FORMERR' },
  { what: 'a label, then a pointer back to it', hex: query(`04766f7465 c00c ${A_IN}`), verdict: 'FORMERR' },
  { what: 'a pointer forward', hex: query(`c012 ${A_IN} ${VOTE}`), verdict: 'FORMERR' },
  { what: 'a pointer into the header', hex: query(`c000 ${A_IN}`), verdict: 'FORMERR' },
  { what: 'a pointer past the end', hex: query(`ffff ${A_IN}`), verdict: 'FORMERR' },
  { what: 'half a pointer', hex: query('c0'), verdict: 'FORMERR' },
  { what: 'a label of 64 bytes', hex: query(`40${'61'.repeat(64)}00 ${A_IN}`), verdict: 'FORMERR' },
  { what: 'a label of type 0x80', hex: query(`80${'61'.repeat(128)}00 ${A_IN}`), verdict: 'FORMERR' },
  { what: 'a name of 256 bytes', hex: query(`${`3f${'61'.repeat(63)}`.repeat(3)}3e${'61'.repeat(62)}00 ${A_IN}`), verdict: 'FORMERR' },
  { what: 'a name without an end', hex: query('04766f7465'), verdict: 'FORMERR' },
  { what: 'an answer that is not there', hex: query(`${VOTE} ${A_IN}`, '0001 0001 0000 0000'), verdict: 'FORMERR' },
  { what: '65535 additional records that are not there', hex: query(`${VOTE} ${A_IN} ${OPT}`, '0001 0000 0000 ffff'), verdict: 'FORMERR' },
  { what: 'two OPT records', hex: query(`${VOTE} ${A_IN} ${OPT} ${OPT}`, '0001 0000 0000 0002'), verdict: 'FORMERR' },
  { what: 'an OPT record among the answers', hex: query(`${VOTE} ${A_IN} ${OPT}`, '0001 0001 0000 0000'), verdict: 'FORMERR' },
  { what: 'an OPT record with an owner', hex: query(`${VOTE} ${A_IN} ${VOTE} 0029 04d0 00000000 0000`, WITH_ADDITIONAL), verdict: 'FORMERR' },
  { what: 'an OPT record longer than the message', hex: query(`${VOTE} ${A_IN} 00 0029 04d0 00000000 0001`, WITH_ADDITIONAL), verdict: 'FORMERR' },
  { what: 'half an EDNS option', hex: query(`${VOTE} ${A_IN} 00 0029 04d0 00000000 0003 000a00`, WITH_ADDITIONAL), verdict: 'FORMERR' },
  { what: 'an EDNS option longer than its record', hex: query(`${VOTE} ${A_IN} 00 0029 04d0 00000000 0005 000a 0008 61`, WITH_ADDITIONAL), verdict: 'FORMERR' },
  { what: 'an additional record whose name points at itself', hex: query(`${VOTE} ${A_IN} c016 0001 0001 00000000 0000`, WITH_ADDITIONAL), verdict: 'FORMERR' },
];

export function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}
