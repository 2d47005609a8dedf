/**
 * Small changes without a process: commands as messages of nfnetlink, one transaction. nft(8) lists all chains of the table before it
 * does anything, so a change by it costs by the size of the table; this does not. Pure bytes; transaction.ts sends them.
 *
 * Only what a running table's changes are made of: rules that count through turns, elements, chains that others jump to.
 * Whatever else there is, is nft's. Layouts: include/uapi/linux/netfilter/nfnetlink.h and nf_tables.h.
 */
import { ACK, attribute, be32, CREATE, frame, HEADER, join, messagesIn, nested, NLMSG_ERROR, REQUEST, text, type Message } from '../netlink/message.js';
import type { Command } from './render.js';
import type { NftMap } from './table.js';
import { parseIpv4 } from '../../proxy/net/addr.js';

const SUBSYSTEM = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;
const NEWCHAIN = 3;
const DELCHAIN = 5;
const NEWRULE = 6;
const DELRULE = 8;
const NEWSETELEM = 12;
const DELSETELEM = 14;
const GETGEN = 16;

const APPEND = 0x800;

const NFPROTO_IPV4 = 2;

/** Within a batch that a socket's send buffer takes at once (net.core.wmem_default is 208 KiB). */
export const MOST_BYTES = 64 << 10;

const REGISTER = 1;
const CT_MARK = 3;
const JUMP = -3;

/** Types of the maps that commands name. */
export type MapTypes = ReadonlyMap<string, Pick<NftMap, 'key' | 'value'>>;

/**
 * The commands as one batch, or undefined when one of them is not for here, or they are too many. `generation` is what the ruleset
 * must have, for the batch to count (NFNL_BATCH_GENID). Messages are numbered from 0, and the last is acknowledged.
 */
export function encodeBatch(table: string, commands: readonly Command[], types: MapTypes, generation: number): Uint8Array | undefined {
  const messages: Message[] = [];
  let bytes = 0;
  for (const command of commands) {
    const message = encode(table, command, types);
    bytes += HEADER + (message?.body.length ?? 0);
    if (!message || bytes > MOST_BYTES) return undefined;
    messages.push(message);
  }
  const begin = frame({ type: BATCH_BEGIN, flags: REQUEST, body: attribute(1, be32(generation)) }, 0, SUBSYSTEM);
  const middle = messages.map(({ type, flags, body }, index) =>
    frame({ type: (SUBSYSTEM << 8) | type, flags: REQUEST | flags | (index === messages.length - 1 ? ACK : 0), body }, index + 1, 0, NFPROTO_IPV4),
  );
  const end = frame({ type: BATCH_END, flags: REQUEST, body: new Uint8Array(0) }, messages.length + 1, SUBSYSTEM);
  return join([begin, ...middle, end]);
}

/** Asks for the number of the ruleset's generation: each transaction, of whomever, makes it another. */
export function encodeGetGeneration(): Uint8Array {
  return frame({ type: (SUBSYSTEM << 8) | GETGEN, flags: REQUEST, body: new Uint8Array(0) }, 0, 0);
}

export interface Reply {
  /** Number of the message that it answers. */
  readonly sequence: number;
  /** Of an error or acknowledgement: 0 or -errno. */
  readonly error?: number;
  readonly generation?: number;
}

/** Messages in what was read from the socket. */
export function decodeReplies(bytes: Uint8Array): Reply[] {
  const replies: Reply[] = [];
  for (const { type, sequence, view } of messagesIn(bytes)) {
    // NFT_MSG_NEWGEN, whose first attribute is NFTA_GEN_ID.
    if (type === NLMSG_ERROR) replies.push({ sequence, error: view.getInt32(0, true) });
    else if (type === ((SUBSYSTEM << 8) | 15) && view.byteLength >= 12) replies.push({ sequence, generation: view.getUint32(8) });
  }
  return replies;
}

function encode(table: string, command: Command, types: MapTypes): Message | undefined {
  const named = (number: number, name: string): Uint8Array => attribute(number, text(name));
  switch (command.do) {
    case 'add-chain':
      return command.base ? undefined : { type: NEWCHAIN, flags: CREATE, body: join([named(1, table), named(3, command.chain)]) };
    case 'delete-chain':
      return { type: DELCHAIN, flags: 0, body: join([named(1, table), named(3, command.chain)]) };
    case 'flush-chain':
      return { type: DELRULE, flags: 0, body: join([named(1, table), named(2, command.chain)]) };
    case 'add-rule': {
      const expressions = turnExpressions(command.rule);
      return expressions && { type: NEWRULE, flags: CREATE | APPEND, body: join([named(1, table), named(2, command.chain), nested(4, expressions)]) };
    }
    case 'add-elements':
    case 'delete-elements': {
      const map = types.get(command.map);
      if (!map) return undefined;
      const pairs = command.do === 'add-elements' ? command.elements : command.keys.map((key): [string, undefined] => [key, undefined]);
      const elements: Uint8Array[] = [];
      for (const [key, value] of pairs) {
        const [keyBytes, valueBytes] = [data(map.key, key), value === undefined ? [] : data(map.value, value)];
        if (!keyBytes || !valueBytes) return undefined;
        elements.push(nested(1, [nested(1, keyBytes), ...(value === undefined ? [] : [nested(2, valueBytes)])]));
      }
      const [type, flags] = command.do === 'add-elements' ? [NEWSETELEM, CREATE] : [DELSETELEM, 0];
      return { type, flags, body: join([named(1, table), named(2, command.map), nested(3, elements)]) };
    }
    default:
      return undefined;
  }
}

/** `ct mark set numgen inc mod N offset M`: two expressions, and a register between them. */
function turnExpressions(rule: string): Uint8Array[] | undefined {
  const [, modulus, offset] = /^ct mark set numgen inc mod (\d+) offset (\d+|0x[0-9a-f]+)$/.exec(rule) ?? [];
  if (modulus === undefined) return undefined;
  const expression = (name: string, attributes: readonly [number, number][]): Uint8Array =>
    nested(1, [attribute(1, text(name)), nested(2, attributes.map(([number, value]) => attribute(number, be32(value))))]);
  return [
    expression('numgen', [
      [1, REGISTER],
      [2, Number(modulus)],
      [3, 0],
      [4, Number(offset)],
    ]),
    expression('ct', [
      [2, CT_MARK],
      [4, REGISTER],
    ]),
  ];
}

/** What is inside of an NFTA_DATA attribute. Parts of a concatenation take four bytes each. */
function data(type: string, value: string): Uint8Array[] | undefined {
  if (type === 'verdict') {
    const [, chain] = /^jump (\S+)$/.exec(value) ?? [];
    return chain === undefined ? undefined : [nested(2, [attribute(1, be32(JUMP)), attribute(2, text(chain))])];
  }
  const [kinds, parts] = [type.split(' . '), value.split(' . ')];
  const bytes = kinds.map((kind, index) => simple(kind, parts[index] ?? ''));
  return bytes.every((one) => one !== undefined) && kinds.length === parts.length ? [attribute(1, join(bytes))] : undefined;
}

function simple(kind: string, value: string): Uint8Array | undefined {
  switch (kind) {
    case 'ipv4_addr':
      return be32(parseIpv4(value));
    // Of this machine's order, which is little-endian where Node.js runs (os.endianness).
    case 'mark':
      return Uint8Array.from(be32(Number(value))).reverse();
    case 'inet_proto':
      return value === 'tcp' ? Uint8Array.of(6, 0, 0, 0) : value === 'udp' ? Uint8Array.of(17, 0, 0, 0) : undefined;
    case 'inet_service':
      return Uint8Array.of(Number(value) >>> 8, Number(value) & 255, 0, 0);
    default:
      return undefined;
  }
}
