/**
 * Fuzz target of the packet path: noise, valid packets of either side and of ICMP errors about them, with bytes changed, cut
 * and doubled, while endpoints come and go and time passes. A find is an exception whose message holds the input; it
 * becomes a test in test/unit/proxy.
 *
 * What must hold for any input: nothing is thrown; exactly one counter accounts for the packet; what comes out has the
 * length it says and checksums that are right, unless they were wrong already; and the table and its reader agree.
 */
import { EMPTY_VIP, endpoint, ENDPOINTS, IPV4, IPV6, Mesh, NETWORK, service, VIP } from '../support/mesh.js';
import { checksumFault, decode, echoFrame, errorFrame, FRAGMENT, tcpFrame, udpFrame, VNET } from '../support/packets.js';
import { seededRandom } from '../support/dns.js';

class FuzzFindError extends Error {
  override readonly name = 'FuzzFindError';
}

type Random = () => number;

/** Packets of flows that were forwarded, remembered so that answers and errors can be about them. */
const REMEMBERED = 64;
const MAX_FLOWS = 20;

/** Runs `iterations` inputs drawn from `seed`; the same seed gives the same inputs. Throws FuzzFindError. Answers the counters. */
export function fuzzPipeline(seed: number, iterations: number): Record<string, number> {
  const random = seededRandom(seed);
  const mesh = new Mesh({ maxFlows: MAX_FLOWS });
  const sent: Buffer[] = [];
  for (let i = 0; i < iterations; i++) {
    if (random() < 0.01) reconfigure(mesh, random);
    if (random() < 0.05) mesh.wait(Math.floor(random() ** 6 * 400_000));
    const input = mutate(seedPacket(random, sent), random);
    try {
      const output = mesh.send(input, random() < 0.01 ? pick([0, 65_535, NETWORK + 1], random) : NETWORK);
      must(mesh.unaccounted() === 0, 'no counter, or more than one, accounts for it');
      if (output) {
        verify(input, output);
        if (isBalancer(decode(output).fromText) && sent.push(output) > REMEMBERED) sent.shift();
      }
      for (const emitted of mesh.takeEmitted()) must(isFragment6(emitted) || checksumFault(emitted) === undefined, 'what was sent unasked has a wrong checksum');
      if (i % 100 === 0) verifyTable(mesh);
    } catch (error) {
      throw new FuzzFindError(`pipeline seed ${seed} iteration ${i}, ${input.toString('hex')}: ${String(error)}`, { cause: error });
    }
  }
  mesh.wait(8_000_000);
  must(mesh.table.size === 0, `${mesh.table.size} flows outlived their time`);
  return Object.fromEntries(Object.entries(mesh.nonZero()));
}

/** A part of a datagram, whose checksum is that of the whole. */
const isFragment6 = (frame: Buffer): boolean => (frame[VNET] as number) >>> 4 === 6 && frame[VNET + 6] === FRAGMENT;
const isBalancer = (address: string): boolean => address === IPV4.balancer || address === IPV6.balancer;

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

function verify(input: Buffer, output: Buffer): void {
  const said = (output[VNET] as number) >>> 4 === 4 ? output.readUInt16BE(VNET + 2) : output.readUInt16BE(VNET + 4) + 40;
  must(said === output.length - VNET, 'the length written is not the length of the packet');
  const asked = decode(input);
  const { fromText: from, toText: to, protocol, l4 } = decode(output);
  must(from !== to, 'from and to the same address');
  const before = checksumFault(input);
  const after = checksumFault(output);
  if (before === undefined) must(after === undefined, `wrong ${after} out of right ones`);
  // What we build ourselves is right whatever came in. An echo shows the asker his own error.
  const isEcho = (protocol === 1 && l4[0] === 0) || (protocol === 58 && l4[0] === 129);
  const ours = from === asked.toText && to === asked.fromText && !isEcho;
  if (ours) must(after === undefined, `wrong ${after} in an answer`);
  // What of ICMP has its checksum left to the kernel gets a complete one.
  const completed = (protocol === 1 || protocol === 58) && ((input[0] as number) & 1) !== 0;
  if (!ours && !completed && before !== undefined) must(after !== undefined, `the error in the ${before} is gone`);
}

function verifyTable(mesh: Mesh): void {
  const listed = mesh.reader.list(mesh.config).length;
  must(listed === mesh.table.size && listed <= MAX_FLOWS, `${listed} flows listed, ${mesh.table.size} in the table`);
  const ended = mesh.count('flowsExpired') + mesh.count('flowsEvicted') + mesh.count('flowsEnded');
  must(mesh.count('flowsOpened') - ended >= mesh.table.size, 'more flows than were opened and not ended');
}

function reconfigure(mesh: Mesh, random: Random): void {
  const chosen = ENDPOINTS.filter(() => random() < 0.7).map((address) => endpoint(address, random() < 0.2 ? 0 : 1));
  const services = [...(random() < 0.9 ? [service(VIP, chosen)] : []), service(EMPTY_VIP, [], 'empty')];
  // Either the sweep finds the flows that are over, or their next packet does.
  if (random() < 0.5) mesh.apply(services);
  else mesh.configure(services);
}

function seedPacket(random: Random, sent: readonly Buffer[]): Buffer {
  const kind = random();
  if (kind < 0.05) return Buffer.from(Array.from({ length: Math.floor(random() * 120) }, () => Math.floor(random() * 256)));
  const about = sent[Math.floor(random() * sent.length)];
  if (about !== undefined && kind < 0.3) return answer(about, random);
  if (about !== undefined && kind < 0.45) {
    const { toText, family } = decode(about);
    const net = family === 4 ? IPV4 : IPV6;
    const router = family === 4 ? '10.0.1.1' : 'fd00::1:1';
    const from = random() < 0.5 ? router : (net.endpoints.find((address) => address === toText) ?? router);
    const length = Math.floor(random() * (about.length - VNET - (family === 4 ? 19 : 39)));
    const types = family === 4 ? [3, 11, 12, 4, 5] : [1, 2, 3, 4, 137];
    return errorFrame({ from, to: random() < 0.8 ? net.balancer : net.vip }, pick(types, random), Math.floor(random() * 6), 1400, about, length);
  }
  return request(random);
}

function request(random: Random): Buffer {
  const v6 = random() < 0.4;
  const { client, vip, emptyVip, balancer } = v6 ? IPV6 : IPV4;
  const [net, nobody] = v6 ? ['fd00::2:', 'fd00::1:99'] : ['10.0.2.', '10.0.1.99'];
  const fields = {
    from: random() < 0.5 ? client : `${net}${Math.floor(random() * 256)}`,
    to: pick([vip, vip, vip, vip, emptyVip, balancer, nobody], random),
    sourcePort: Math.floor(random() * 300),
    destinationPort: pick([80, 80, 53, 65_535], random),
    ...common(random),
  };
  if (random() < 0.1) return echoFrame(fields);
  if (random() < 0.4) return udpFrame({ ...fields, noChecksum: !v6 && !fields.partial && random() < 0.2 });
  return tcpFrame({ ...fields, flags: pick(['S', 'S', 'A', 'AP', 'FA', 'RA', 'SA', 'SF', ''], random), seq: Math.floor(random() * 2 ** 32), ack: Math.floor(random() * 2 ** 32) });
}

function answer(about: Buffer, random: Random): Buffer {
  const { toText, protocol, family, sourcePort, destinationPort, l4 } = decode(about);
  const net = family === 4 ? IPV4 : IPV6;
  const from = net.endpoints.find((address) => address === toText) ?? net.endpoints[0];
  const fields = { from, to: net.balancer, sourcePort: destinationPort, destinationPort: sourcePort, ...common(random) };
  if (protocol === 1 || protocol === 58) return echoFrame({ ...fields, reply: true, identifier: l4.readUInt16BE(4) });
  return protocol === 17 ? udpFrame(fields) : tcpFrame({ ...fields, flags: pick(['SA', 'SA', 'A', 'FA', 'RA'], random) });
}

function common(random: Random) {
  const size = random() < 0.02 ? 60_000 : Math.floor(random() * 80);
  return {
    payload: Buffer.alloc(size, Math.floor(random() * 256)),
    partial: random() < 0.4,
    ipOptions: Buffer.alloc(random() < 0.1 ? 4 * Math.floor(random() * 11) : 0, 1),
    ttl: 1 + Math.floor(random() * 255),
  };
}

function mutate(original: Buffer, random: Random): Buffer {
  if (random() < 0.5) return original;
  let bytes = Buffer.from(original);
  for (let rounds = 1 + Math.floor(random() * 3); rounds > 0; rounds--) {
    // Mostly in the headers.
    const at = Math.floor(random() * (random() < 0.8 ? Math.min(bytes.length, 60) : bytes.length));
    switch (Math.floor(random() * 5)) {
      case 0:
        bytes = bytes.subarray(0, at);
        break;
      case 1:
        bytes = Buffer.concat([bytes, bytes.subarray(at, at + 20)]).subarray(0, VNET + 65_535);
        break;
      case 2:
        if (at < bytes.length) bytes[at] = pick([0, 1, 0x40, 0x45, 0x7f, 0x80, 0xff], random);
        break;
      default:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << Math.floor(random() * 8));
    }
  }
  return bytes;
}

function pick<T>(list: readonly T[], random: Random): T {
  return list[Math.floor(random() * list.length)] as T;
}
