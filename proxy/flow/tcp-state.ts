/**
 * The state of a TCP flow, from the flags of both directions (RFC 5382 5; the states are drawn in README.md).
 *
 * Sequence numbers are not followed. Two things come of that, both on the safe side: a RST whose sequence is wrong closes
 * our state but not the connection, and an old acknowledgement can be taken for the last one. A closed flow therefore still
 * carries packets, and each of them prolongs its linger.
 */
import { ACK, FIN, RST, SYN } from '../wire/tcp.js';
import { State } from './slot.js';

/** The state after a segment. Flags have passed `flagsMakeSense`. A SYN that begins a new flow is the caller's matter. */
export function nextTcpState(state: number, fromClient: boolean, flags: number, payloadLength: number): number {
  if (state === State.established && (flags & (FIN | RST)) === 0) return state;
  if ((flags & RST) !== 0) return State.closed;
  const fin = (flags & FIN) !== 0;
  // Not a copy of the SYN either, which may come as late.
  const isBareAck = payloadLength === 0 && (flags & (FIN | SYN)) === 0;
  switch (state) {
    case State.synSent:
      return !fromClient && (flags & (SYN | ACK)) === (SYN | ACK) ? State.synReceived : state;
    case State.synReceived:
      if ((flags & SYN) !== 0) return state;
      if (fin) return fromClient ? State.halfClosedByClient : State.halfClosedByEndpoint;
      return fromClient ? State.established : state;
    case State.established:
      return fromClient ? State.halfClosedByClient : State.halfClosedByEndpoint;
    case State.halfClosedByClient:
      return fin && !fromClient ? State.closingEndpointLast : state;
    case State.halfClosedByEndpoint:
      return fin && fromClient ? State.closingClientLast : state;
    case State.closingClientLast:
      return isBareAck && !fromClient ? State.closed : state;
    case State.closingEndpointLast:
      return isBareAck && fromClient ? State.closed : state;
    default:
      return state;
  }
}

/** Whether a SYN from the client can begin a new connection on the tuple of a flow in this state: one whose number is new. */
export function isOver(state: number): boolean {
  return state === State.closed || state === State.closingClientLast || state === State.closingEndpointLast;
}
