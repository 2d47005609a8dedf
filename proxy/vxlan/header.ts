/**
 * What stands before an inner packet: VXLAN (RFC 7348 section 5) and an Ethernet header, written and read as Linux does it
 * (drivers/net/vxlan/vxlan_core.c). No state; offsets are from the datagram's first byte, behind UDP.
 */
import { parseIpv4 } from '../net/addr.js';

/** The flag that says that there is a VNI, and no other: what has others is of an extension that we do not speak. */
const FLAGS = 0x0800_0000;
/** In the word after that; a reserved byte follows. */
const VNI = 4;
export const DESTINATION_MAC = 8;
export const SOURCE_MAC = 14;
export const ETHERTYPE = 20;
/** Both headers. */
export const OVERHEAD = 22;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_IPV6 = 0x86dd;

/** Upper two bytes of the hardware address that a balancer address makes: 02:42, then the address itself, as Docker's. */
const MAC_PREFIX = 0x0242;

/** Both headers, but for the ethertype. @param to, from balancer addresses (IPv4) of the receiving and the sending node */
export function headerTemplate(vni: number, to: string, from: string): Uint8Array {
  const view = new DataView(new ArrayBuffer(OVERHEAD));
  view.setUint32(0, FLAGS);
  view.setUint32(VNI, vni * 256);
  for (const [at, address] of [[DESTINATION_MAC, to], [SOURCE_MAC, from]] as const) {
    view.setUint16(at, MAC_PREFIX);
    view.setInt32(at + 2, parseIpv4(address));
  }
  return new Uint8Array(view.buffer);
}

/** The VNI of the datagram at `at`, or -1 when it is no VXLAN that we know. It has OVERHEAD bytes at least. */
export function readVni(view: DataView, at: number): number {
  if (view.getUint32(at) !== FLAGS) return -1;
  const word = view.getUint32(at + VNI);
  return (word & 0xff) === 0 ? word >>> 8 : -1;
}

/** Whether it is for the node whose balancer address is `balancer`, an int32. */
export function isFor(view: DataView, at: number, balancer: number): boolean {
  return view.getUint16(at + DESTINATION_MAC) === MAC_PREFIX && view.getInt32(at + DESTINATION_MAC + 2) === balancer;
}
