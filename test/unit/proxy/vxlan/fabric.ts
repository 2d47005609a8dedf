/** One network of two nodes, and packets on their way from one to the other, as bytes. */
import { Admission } from '../../../../proxy/vxlan/admission.js';
import { Cutter } from '../../../../proxy/vxlan/cut.js';
import { Memory } from '../../../../proxy/vxlan/memory.js';
import { Merger } from '../../../../proxy/vxlan/merge.js';
import { Network, type NetworkSpec } from '../../../../proxy/vxlan/network.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';

export const NEAR = '192.0.2.1';
export const FAR = '192.0.2.2';
/** Of a task on each of the nodes. */
export const HERE = '10.0.1.5';
export const THERE = '10.0.1.6';
export const HERE6 = 'fd00::5';
export const THERE6 = 'fd00::6';
const BALANCERS = { near: '10.0.1.250', far: '10.0.1.251' };

const common = { vni: 4097, mtu: 1450 };
export const nearNetwork: NetworkSpec = { ...common, balancer: BALANCERS.near, peers: [{ underlay: FAR, port: 4789, balancer: BALANCERS.far, addresses: [THERE, THERE6, BALANCERS.far] }] };
export const farNetwork: NetworkSpec = { ...common, balancer: BALANCERS.far, peers: [{ underlay: NEAR, port: 4789, balancer: BALANCERS.near, addresses: [HERE, HERE6, BALANCERS.near] }] };

const near = new Network(nearNetwork);

/** The datagrams that the near node sends for a frame of its TUN; undefined: none, as the frame is refused. */
export function cutOf(frame: Uint8Array): Buffer[] | undefined {
  const memory = new Memory(frame.length);
  memory.bytes.set(frame);
  const isV6 = frame[10]! >>> 4 === 6;
  const peer = near.ownerOf(memory.view, 10 + (isV6 ? 24 : 16), isV6);
  if (!peer) throw new Error('nobody has that address');
  const cutter = new Cutter();
  if (!cutter.cut(memory, frame.length, peer.header)) return undefined;
  const { count, headers, headerLength, payload, size, end } = cutter;
  return Array.from({ length: count }, (_, i) => Buffer.concat([headers.subarray(i * headerLength, (i + 1) * headerLength), memory.bytes.subarray(payload + i * size, Math.min(payload + (i + 1) * size, end))]));
}

export interface Arrival {
  /** By Verdict, in turn. */
  readonly verdicts: number[];
  /** What is written to the far node's TUN. */
  readonly frames: Buffer[];
}

/** What becomes of datagrams that the far node receives together. */
export function arrive(datagrams: readonly Uint8Array[], source = NEAR): Arrival {
  const memory = new Memory(datagrams.reduce((sum, { length }) => sum + length, 1));
  const frames: Buffer[] = [];
  const merger = new Merger(memory, (_network, { head, headLength, pieces, pieceCount }) => {
    const parts = Array.from({ length: pieceCount }, (_, i) => memory.bytes.subarray(pieces[2 * i], pieces[2 * i]! + pieces[2 * i + 1]!));
    frames.push(Buffer.concat([head.subarray(0, headLength), ...parts]));
  });
  const admission = new Admission();
  admission.setNodes(new Set([parseIpv4(NEAR)]));
  admission.setNetwork(new Network(farNetwork));
  const verdicts: number[] = [];
  let at = 0;
  for (const datagram of datagrams) {
    memory.bytes.set(datagram, at);
    const verdict = admission.judge(memory, at, at + datagram.length, parseIpv4(source));
    verdicts.push(verdict);
    if (verdict === 0) merger.add(admission.network!, admission.packet);
    at += datagram.length;
  }
  merger.flush();
  return { verdicts, frames };
}

/** A datagram's packet as a frame that asks for nothing. */
export function frameIn(datagram: Uint8Array): Buffer {
  return Buffer.concat([Buffer.alloc(10), datagram.subarray(22)]);
}
