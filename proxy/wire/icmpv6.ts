/**
 * ICMPv6 (RFC 4443): types and codes. Offsets from the message's first byte are those of icmp.ts. Unlike ICMP's, the
 * checksum has a pseudo-header. No state.
 */

export const UNREACHABLE = 1;
/** The 32 bits behind the checksum are the next hop's MTU. */
export const PACKET_TOO_BIG = 2;
export const TIME_EXCEEDED = 3;
export const PARAMETER_PROBLEM = 4;
export const ECHO_REQUEST = 128;
export const ECHO_REPLY = 129;
export const REDIRECT = 137;

export const CODE_ADDRESS_UNREACHABLE = 3;
export const CODE_PORT_UNREACHABLE = 4;
/** Of time exceeded: a datagram was not whole in time. */
export const CODE_REASSEMBLY = 1;

/** Errors that quote the packet which caused them. A redirect (137) concerns one hop only and is not passed on. */
export function quotesPacket6(type: number): boolean {
  return type >= UNREACHABLE && type <= PARAMETER_PROBLEM;
}
