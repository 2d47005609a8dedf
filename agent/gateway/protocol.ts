/**
 * What the inner and the outer process of a rootless agent say to each other about the host, over the child's IPC channel.
 * The channel carries other messages too: these have a `gateway` member. Binary data is base64, so they pass through either
 * of Node's serializations.
 *
 * Every request is answered by one reply with the same number. The reply to listenTcp and bindUdp comes with the socket
 * attached, and the inner process tells when it has it (`taken`), so that the outer one can let go of its own.
 */

export type GatewayCall =
  | { readonly method: 'listenTcp' | 'bindUdp'; readonly address?: string; readonly port: number }
  | { readonly method: 'resolve'; readonly query: string; readonly protocol: 'udp' | 'tcp' }
  | { readonly method: 'underlayMtu' };

export type InnerMessage =
  | { readonly gateway: 'call'; readonly id: number; readonly call: GatewayCall }
  | { readonly gateway: 'taken'; readonly id: number };

export type OuterMessage =
  /** `inode` names the socket that is attached, see agent/gateway/descriptor. */
  | { readonly gateway: 'socket'; readonly id: number; readonly inode: string }
  /** `answer` is absent when no resolver answered. */
  | { readonly gateway: 'resolved'; readonly id: number; readonly answer?: string }
  | { readonly gateway: 'mtu'; readonly id: number; readonly mtu: number }
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
