/**
 * How long a UDP flow is remembered, as messages of nfnetlink: an entry that is put in or lasts longer, and one of the kernel's
 * that lasts longer. conntrack(8) can change an entry only by listing all of them. Pure bytes; remember.ts sends them. Layout:
 * include/uapi/linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h.
 */
import { parseIpv4 } from '../../proxy/net/addr.js';
import { attribute, be16, be32, CREATE, frame, join, messagesIn, nested, NLMSG_ERROR, REQUEST } from '../netlink/message.js';
import type { TrackedTuple } from './flow.js';

const SUBSYSTEM = 1;
const NEW = 0;
const AF_INET = 2;
const IPPROTO_UDP = 17;

const TUPLE_ORIG = 1;
const TUPLE_REPLY = 2;
const STATUS = 3;
const TIMEOUT = 7;
/** IPS_SEEN_REPLY | IPS_CONFIRMED */
const ANSWERED = 0x2 | 0x8;

/** A flow that is not translated, known from now on, and for `seconds` from now. */
export interface Remembered {
  readonly original: TrackedTuple;
  readonly seconds: number;
}

/** A flow that is known, if it is: for `seconds` from now. By its replies, which whoever translated it knows. */
export interface Prolonged {
  readonly reply: TrackedTuple;
  readonly seconds: number;
}

/** Messages for one write; only what fails is answered. Without the flag that asks for a new entry, one that is there is changed (ctnetlink_new_conntrack). */
export function encodeEntries(entries: readonly (Remembered | Prolonged)[]): Uint8Array {
  return join(entries.map((entry, sequence) => frame({ type: (SUBSYSTEM << 8) | NEW, ...message(entry) }, sequence, 0, AF_INET)));
}

function message(entry: Remembered | Prolonged): { flags: number; body: Uint8Array } {
  const timeout = attribute(TIMEOUT, be32(entry.seconds));
  if ('reply' in entry) return { flags: REQUEST, body: join([tuple(TUPLE_REPLY, entry.reply), timeout]) };
  const { source, sourcePort, destination, destinationPort } = entry.original;
  const turned = { source: destination, sourcePort: destinationPort, destination: source, destinationPort: sourcePort };
  return { flags: REQUEST | CREATE, body: join([tuple(TUPLE_ORIG, entry.original), tuple(TUPLE_REPLY, turned), attribute(STATUS, be32(ANSWERED)), timeout]) };
}

function tuple(number: number, { source, sourcePort, destination, destinationPort }: TrackedTuple): Uint8Array {
  return nested(number, [
    nested(1, [attribute(1, be32(parseIpv4(source))), attribute(2, be32(parseIpv4(destination)))]),
    nested(2, [attribute(1, Uint8Array.of(IPPROTO_UDP)), attribute(2, be16(sourcePort)), attribute(3, be16(destinationPort))]),
  ]);
}

/** The errnos in what was read from the socket. */
export function failuresIn(bytes: Uint8Array): number[] {
  return [...messagesIn(bytes)].flatMap(({ type, view }) => (type === NLMSG_ERROR ? -view.getInt32(0, true) : [])).filter((errno) => errno !== 0);
}
