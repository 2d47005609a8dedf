/**
 * ICMP (RFC 792): offsets from the message's first byte, which ICMPv6 shares, and types. The checksum has no pseudo-header.
 * No state.
 */

export const TYPE = 0;
export const CODE = 1;
export const CHECKSUM = 2;
/** Unused in most errors; in 3/4 its lower half is the next hop's MTU (RFC 1191). */
export const REST = 4;
/** Of echo requests and replies. */
export const IDENTIFIER = 4;
/** Of every message that we know. */
export const HEADER = 8;

export const ECHO_REPLY = 0;
export const UNREACHABLE = 3;
export const SOURCE_QUENCH = 4;
export const REDIRECT = 5;
export const ECHO_REQUEST = 8;
export const TIME_EXCEEDED = 11;
export const PARAMETER_PROBLEM = 12;

export const CODE_HOST_UNREACHABLE = 1;
export const CODE_PORT_UNREACHABLE = 3;
/** Of time exceeded: a datagram was not whole in time. */
export const CODE_REASSEMBLY = 1;

/** Errors that quote the packet which caused them. A redirect (5) does too, but concerns one hop only and is not passed on. */
export function quotesPacket(type: number): boolean {
  return type === UNREACHABLE || type === TIME_EXCEEDED || type === PARAMETER_PROBLEM || type === SOURCE_QUENCH;
}
