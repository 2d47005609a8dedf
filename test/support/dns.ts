/**
 * DNS messages for tests, made and read by hand: independent of the code under test and of its library.
 */
import type { DnsNetwork, DnsTask, DnsView } from '../../overlay/dns/view.js';

export interface QueryOptions {
  id?: number;
  flags?: number;
  name?: string;
  type?: number;
  class?: number;
  /** Adds an OPT record. */
  edns?: { size?: number; version?: number; flags?: number; options?: Buffer };
}

export function u16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => bytes.writeUInt16BE(value, index * 2));
  return bytes;
}

export function nameBytes(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])), Buffer.of(0)]);
}

/** An ordinary query: RD set, type A, class IN. */
export function buildQuery(options: QueryOptions = {}): Buffer {
  const { id = 0x1234, flags = 0x0100, name = 'vote', type = 1, class: cls = 1, edns } = options;
  const parts = [u16(id, flags, 1, 0, 0, edns ? 1 : 0), nameBytes(name), u16(type, cls)];
  if (edns) {
    const { size = 1232, version = 0, flags: bits = 0, options: data = Buffer.alloc(0) } = edns;
    parts.push(Buffer.of(0), u16(41, size), Buffer.of(0, version), u16(bits, data.length), data);
  }
  return Buffer.concat(parts);
}

/** A response as an upstream would give: the query's question, and A records with a pointer to its name. */
export function buildResponse(query: Buffer, addresses: readonly string[], rcode = 0): Buffer {
  const end = query.indexOf(0, 12) + 5;
  const records = addresses.map((address) => Buffer.concat([u16(0xc00c, 1, 1, 0, 60, 4), Buffer.from(address.split('.').map(Number))]));
  return Buffer.concat([query.subarray(0, 2), u16(0x8180 | rcode, 1, addresses.length, 0, 0), query.subarray(12, end), ...records]);
}

export interface ParsedRecord {
  name: string;
  type: number;
  class: number;
  ttl: number;
  data: Buffer;
  /** A: the address; PTR: the name. */
  text: string | undefined;
}

export interface ParsedResponse {
  id: number;
  qr: boolean;
  opcode: number;
  aa: boolean;
  tc: boolean;
  rd: boolean;
  ra: boolean;
  cd: boolean;
  rcode: number;
  questions: { name: string; type: number; class: number }[];
  answers: ParsedRecord[];
  authority: ParsedRecord[];
  additional: ParsedRecord[];
}

/** Strict: throws on whatever is not well-formed, bytes after the end included. */
export function parseResponse(message: Buffer): ParsedResponse {
  let offset = 12;
  const readName = (at: number, budget = 20): { name: string; end: number } => {
    const labels: string[] = [];
    for (let from = at; ; ) {
      const length = message.readUInt8(from);
      if (length === 0) return { name: labels.join('.'), end: from + 1 };
      if (length >= 0xc0) {
        const target = message.readUInt16BE(from) & 0x3fff;
        if (budget === 0 || target >= at) throw new Error(`bad pointer at ${from}`);
        const rest = readName(target, budget - 1).name;
        return { name: [...labels, ...(rest ? [rest] : [])].join('.'), end: from + 2 };
      }
      if (length > 63 || from + 1 + length > message.length) throw new Error(`bad label at ${from}`);
      labels.push(message.toString('latin1', from + 1, from + 1 + length));
      from += 1 + length;
    }
  };
  const record = (): ParsedRecord => {
    const { name, end } = readName(offset);
    const type = message.readUInt16BE(end);
    const length = message.readUInt16BE(end + 8);
    const start = end + 10;
    offset = start + length;
    if (offset > message.length) throw new Error('record data past the end');
    const data = message.subarray(start, offset);
    const text = type === 1 ? [...data].join('.') : type === 12 ? `${readName(start).name}.` : undefined;
    return { name, type, class: message.readUInt16BE(end + 2), ttl: message.readUInt32BE(end + 4), data, text };
  };
  const many = <T>(countAt: number, read: () => T): T[] => Array.from({ length: message.readUInt16BE(countAt) }, read);

  const flags = message.readUInt16BE(2);
  const questions = many(4, () => {
    const { name, end } = readName(offset);
    offset = end + 4;
    return { name, type: message.readUInt16BE(end), class: message.readUInt16BE(end + 2) };
  });
  const sections = { answers: many(6, record), authority: many(8, record), additional: many(10, record) };
  if (offset !== message.length) throw new Error(`${message.length - offset} bytes after the end`);
  return {
    id: message.readUInt16BE(0),
    qr: (flags & 0x8000) !== 0,
    opcode: (flags >> 11) & 15,
    aa: (flags & 0x0400) !== 0,
    tc: (flags & 0x0200) !== 0,
    rd: (flags & 0x0100) !== 0,
    ra: (flags & 0x0080) !== 0,
    cd: (flags & 0x0010) !== 0,
    rcode: flags & 15,
    questions,
    ...sections,
  };
}

/** Numbers from 0 to below 1 that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function tasks(service: string, count: number, prefix: string, first: number, idBase: number): DnsTask[] {
  return Array.from({ length: count }, (_, index) => {
    const id = (idBase + index).toString(16).padStart(12, '0');
    return { id, name: `${service}.${index + 1}.${id}`, address: `${prefix}${first + index}`, aliases: [] };
  });
}

/** The network of the walk-through, with `dv` in dnsrr and a one-off task. */
export function overlay1(options: { dnsrr?: number; internal?: boolean } = {}): DnsNetwork {
  const { dnsrr = 3, internal = false } = options;
  return {
    name: 'overlay1',
    subnet: '10.0.1.0/24',
    internal,
    services: [
      { name: 'vote', aliases: ['ballot', 'shared'], vip: '10.0.1.2', tasks: tasks('vote', 2, '10.0.1.', 5, 0xa0) },
      { name: 'client', aliases: [], vip: '10.0.1.3', tasks: tasks('client', 1, '10.0.1.', 8, 0xb0) },
      { name: 'poll', aliases: ['shared'], vip: '10.0.1.4', tasks: [] },
      { name: 'dv', aliases: [], tasks: tasks('dv', dnsrr, '10.0.1.', 20, 0xc0) },
      { name: 'empty', aliases: [], tasks: [] },
    ],
    tasks: [{ id: '0000000000d0', name: 'run.0000000000d0', address: '10.0.1.200', aliases: ['Probe'] }],
  };
}

export function back(internal = false): DnsNetwork {
  return {
    name: 'Back',
    subnet: '10.0.2.0/24',
    internal,
    services: [
      { name: 'db', aliases: [], vip: '10.0.2.2', tasks: tasks('db', 1, '10.0.2.', 5, 0xe0) },
      { name: 'vote', aliases: [], vip: '10.0.2.3', tasks: [] },
    ],
    tasks: [],
  };
}

export function viewOf(...networks: DnsNetwork[]): DnsView {
  return { networks };
}
