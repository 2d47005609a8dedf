/**
 * The whole packet path, from a frame to the frame that is written back: parse, look up, state, rewrite. No system call.
 * Only the headers are put back between two packets: that is all that changes, and all that a real read brings into the cache
 * of this code.
 */
import { type Addresses, endpoint, IPV4, IPV6, Mesh, NETWORK, service } from '../../test/support/mesh.js';
import { tcpFrame, udpFrame, type TcpFields } from '../../test/support/packets.js';
import { measure, type Case, type Effort } from './harness.js';
import { DESTINATION_PORT_AT, SOURCE_PORT_AT } from './offsets.js';
import { nanoseconds, type Result } from './result.js';

const FLOWS = 1024;
const SMALL = Buffer.alloc(64);
/** virtio_net.h: VIRTIO_NET_HDR_GSO_TCPV4 and TCPV6. */
const GSO = { v4: 1, v6: 4 } as const;
const BULK: Partial<TcpFields> = { payload: Buffer.alloc(64_000), partial: true };
/** Of a frame: virtio-net header, and the longest headers that these packets have. */
const HEADERS = 10 + 40 + 60;

function meshOf(): Mesh {
  const mesh = new Mesh({ maxFlows: 262_144 });
  mesh.apply([service(IPV4.vip, [endpoint(IPV4.endpoints[0])])]);
  return mesh;
}

/** Packets of established flows, in turn. */
function established(name: string, opening: readonly Uint8Array[][], frames: readonly Uint8Array[]): Case {
  const mesh = meshOf();
  for (const bytes of opening.flat()) mesh.pass(bytes);
  const headers = frames.map((bytes) => bytes.subarray(0, HEADERS));
  const { pipeline, frame } = mesh;
  frame.bytes.set(frames[0]!);
  const run = (operations: number): number => {
    let written = 0;
    for (let i = 0, at = 0; i < operations; i++, at = at + 1 === frames.length ? 0 : at + 1) {
      frame.bytes.set(headers[at]!);
      const out = pipeline.process(NETWORK, frame, frames[at]!.length, mesh.now);
      if (out <= 0) throw new Error(`${name}: a packet was not forwarded`);
      written ^= out;
    }
    return written;
  };
  return { name, run };
}

function cases(family: string, { client, vip, balancer, endpoints: [target] }: Addresses): Case[] {
  const ports = Array.from({ length: FLOWS }, (_, index) => 20_000 + index);
  const toVip = (sourcePort: number): { from: string; to: string; sourcePort: number } => ({ from: client, to: vip, sourcePort });
  const back = (destinationPort: number): TcpFields => ({ from: target, to: balancer, sourcePort: 80, destinationPort });
  const shake = (port: number): Uint8Array[] => [tcpFrame({ ...toVip(port), flags: 'S' }), tcpFrame({ ...back(port), flags: 'SA' }), tcpFrame(toVip(port))];
  const datagram = (port: number): Uint8Array => udpFrame({ ...toVip(port), payload: SMALL });
  const opening = ports.map(shake);
  const [first = 0] = ports;
  return [
    established(`TCP${family}, small, one flow`, [shake(first)], [tcpFrame({ ...toVip(first), payload: SMALL })]),
    established(`TCP${family}, small, ${FLOWS} flows`, opening, ports.map((port) => tcpFrame({ ...toVip(port), payload: SMALL }))),
    established(`TCP${family}, small, ${FLOWS} flows, toward the clients`, opening, ports.map((port) => tcpFrame({ ...back(port), payload: SMALL }))),
    established(`TCP${family}, bulk (64 KB of GSO)`, [shake(first)], [tcpFrame({ ...toVip(first), ...BULK, gso: [client.includes(':') ? GSO.v6 : GSO.v4, 1448] })]),
    established(`UDP${family}, small, ${FLOWS} flows`, ports.map((port) => [datagram(port)]), ports.map(datagram)),
  ];
}

/** Whole connections: SYN, SYN,ACK, ACK, both FINs and the last ACK; six packets, a flow made and its end waited for. */
function connections(): Case {
  const mesh = meshOf();
  const { pipeline, frame } = mesh;
  const toVip = { from: IPV4.client, to: IPV4.vip };
  const back = { from: IPV4.endpoints[0], to: IPV4.balancer, sourcePort: 80 };
  const packets = ['S', 'SA', 'A', 'FA', 'FA', 'A'].map((flags, index) => {
    const fromClient = index !== 1 && index !== 4;
    return { bytes: tcpFrame({ ...(fromClient ? toVip : back), flags }), portAt: fromClient ? SOURCE_PORT_AT : DESTINATION_PORT_AT };
  });
  let port = 1024;
  let now = mesh.now;
  const run = (operations: number): number => {
    for (let i = 0; i < operations; i++) {
      port = port === 65_535 ? 1024 : port + 1;
      // 20,000 connections in a second, so that a port has rested when its turn comes again.
      if (i % 20 === 0) now += 1;
      if (i % 2000 === 0) pipeline.expire(now);
      for (const { bytes, portAt } of packets) {
        frame.bytes.set(bytes);
        frame.bytes[portAt] = port >>> 8;
        frame.bytes[portAt + 1] = port & 255;
        if (pipeline.process(NETWORK, frame, bytes.length, now) <= 0) throw new Error('a connection was not forwarded');
      }
    }
    return port;
  };
  return { name: 'a TCP connection from beginning to end', run };
}

export function wholePath(effort: Effort): Result[] {
  const all = [...cases('', IPV4), ...cases(' over IPv6', IPV6), connections()];
  return nanoseconds('the whole path, per packet', all, measure(all, effort));
}
