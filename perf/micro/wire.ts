/**
 * Parsing and rewriting by themselves: no flow is looked up, no packet copied.
 */
import { AddressBook } from '../../proxy/flow/address-book.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import { applyTuple } from '../../proxy/rewrite/apply.js';
import { addressSum4, planDeltas } from '../../proxy/rewrite/plan.js';
import { Parsed, parse, Reason } from '../../proxy/wire/parsed.js';
import { frameOf, tcpFrame, udpFrame } from '../../test/support/packets.js';
import { measure, type Case, type Effort } from './harness.js';
import { nanoseconds, type Result } from './result.js';

const WAY4: Way = ['10.0.1.9', '10.0.1.2', '10.0.1.250', '10.0.1.5'];
const WAY6: Way = ['fd00::1:9', 'fd00::1:2', 'fd00::1:fa', 'fd00::1:5'];
const V4 = { from: WAY4[0], to: WAY4[1] };
const V6 = { from: WAY6[0], to: WAY6[1] };
const SMALL = Buffer.alloc(64);
const BULK = { payload: Buffer.alloc(64_000), partial: true, gso: [1, 1448] as const };

function parsing(name: string, bytes: Uint8Array): Case {
  const frame = frameOf(bytes);
  const packet = new Parsed();
  if (parse(frame, bytes.length, packet) !== Reason.ok) throw new Error(`${name} does not parse`);
  const run = (operations: number): number => {
    let sum = 0;
    for (let i = 0; i < operations; i++) sum += parse(frame, bytes.length, packet) + packet.sourcePort;
    return sum;
  };
  return { name: `parse ${name}`, run };
}

/** Source and destination on the client's side, then on the endpoint's. */
type Way = readonly [from: string, to: string, balancer: string, endpoint: string];

/** To the endpoint and back, turn about: the packet stays one that could be. */
function rewriting(name: string, way: Way, bytes: Uint8Array): Case {
  const book = new AddressBook(AddressBook.allocate(16), { hashKey: [1, 2] });
  const isV4 = way[0].includes('.');
  const [client, vip, balancer, endpoint] = way.map((text) => (isV4 ? parseIpv4(text) : book.intern(...parseIpv6(text)))) as [number, number, number, number];
  const sum = (address: number): number => (isV4 ? addressSum4(address) : book.sum(address));
  const frame = frameOf(bytes);
  const packet = new Parsed();
  parse(frame, bytes.length, packet);
  const clientPorts = (packet.sourcePort << 16) | packet.destinationPort;
  const endpointPorts = (packet.destinationPort << 16) | packet.sourcePort;
  const deltas = planDeltas(sum(client), sum(vip), clientPorts, sum(balancer), sum(endpoint), endpointPorts);
  const run = (operations: number): number => {
    for (let i = 0; i < operations; i++) {
      if ((i & 1) === 0) applyTuple(frame, packet, book, balancer, endpoint, clientPorts, deltas >>> 16, deltas & 0xffff);
      else applyTuple(frame, packet, book, client, vip, clientPorts, ~deltas >>> 16, ~deltas & 0xffff);
    }
    return frame.bytes[20]!;
  };
  return { name: `rewrite ${name}`, run };
}

export function wire(effort: Effort): Result[] {
  const cases = [
    parsing('TCP', tcpFrame({ ...V4, payload: SMALL })),
    parsing('TCP, 64 KB of GSO', tcpFrame({ ...V4, ...BULK })),
    parsing('UDP', udpFrame({ ...V4, payload: SMALL })),
    parsing('TCP over IPv6', tcpFrame({ ...V6, payload: SMALL })),
    parsing('UDP over IPv6', udpFrame({ ...V6, payload: SMALL })),
    rewriting('TCP', WAY4, tcpFrame({ ...V4, payload: SMALL })),
    rewriting('TCP, 64 KB of GSO', WAY4, tcpFrame({ ...V4, ...BULK })),
    rewriting('UDP', WAY4, udpFrame({ ...V4, payload: SMALL })),
    rewriting('TCP over IPv6', WAY6, tcpFrame({ ...V6, payload: SMALL })),
    rewriting('UDP over IPv6', WAY6, udpFrame({ ...V6, payload: SMALL })),
  ];
  return nanoseconds('parse and rewrite', cases, measure(cases, effort));
}
