/**
 * What the inner and the outer process of a rootless agent say to each other about the host, over the child's IPC channel.
 * The channel carries other messages too: these have a `gateway` member.
 *
 * Every request is answered by one reply with the same number. Sockets come over a channel of their own (kernel/run/descriptor-channel), with the
 * request's number, before the reply is sent: no byte that passes through a socket is ever on either channel.
 */

/** The descriptor of an inner process that sockets come over: the one after its IPC channel. */
export const DESCRIPTOR_CHANNEL = 4;

export type GatewayCall =
  | { readonly method: 'listenTcp' | 'bindUdp'; readonly address?: string; readonly port: number }
  | { readonly method: 'release'; readonly protocol: 'tcp' | 'udp'; readonly address?: string; readonly port: number }
  | { readonly method: 'connectTcp'; readonly host: string; readonly port: number }
  /** Unbound ones. */
  | { readonly method: 'sockets'; readonly protocol: 'tcp' | 'udp'; readonly family: 'ipv4' | 'ipv6'; readonly count: number }
  | { readonly method: 'routes' }
  | { readonly method: 'underlayMtu'; readonly own?: string };

export interface InnerMessage {
  readonly gateway: 'call';
  readonly id: number;
  readonly call: GatewayCall;
}

export type OuterMessage =
  | { readonly gateway: 'sockets' | 'done'; readonly id: number }
  | { readonly gateway: 'mtu'; readonly id: number; readonly mtu: number }
  | { readonly gateway: 'routes'; readonly id: number; readonly routes: string }
  | { readonly gateway: 'failed'; readonly id: number; readonly error: string; readonly message: string };

/** The message when it is one of ours. What comes over the channel is our own other half's: no need to look deeper. */
export function asInnerMessage(message: unknown): InnerMessage | undefined {
  return isGatewayMessage(message) ? (message as InnerMessage) : undefined;
}

export function asOuterMessage(message: unknown): OuterMessage | undefined {
  return isGatewayMessage(message) ? (message as OuterMessage) : undefined;
}

function isGatewayMessage(message: unknown): boolean {
  return typeof message === 'object' && message !== null && typeof (message as { gateway?: unknown }).gateway === 'string';
}

/** The other half of the rootless pair cannot be asked. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
}
