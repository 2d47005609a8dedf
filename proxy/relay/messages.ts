/**
 * What the relay's owner and its worker say to each other. Plain data: it crosses threads by structured clone. Every
 * request is answered by exactly one reply with the same number.
 */
import type { EndpointConfig } from '../config/snapshot.js';
import type { FlowRecord } from '../dataplane/handle.js';
import type { RelayChoice, RelayPort } from './relay.js';

/** What the worker is told once, when it starts. */
export interface RelayLimits {
  /** Open TCP connections at once, all ports and threads together. Each holds two descriptors. */
  readonly maxConnections: number;
  /** UDP sessions at once, all ports together. Each holds one descriptor. The one idle for longest makes room. */
  readonly maxSessions: number;
  /** Milliseconds an endpoint has to accept a connection before the next one is tried. */
  readonly connectTimeout: number;
}

export const DEFAULT_LIMITS: RelayLimits = {
  maxConnections: 16_384,
  maxSessions: 4096,
  connectTimeout: 2000,
};

/** A port as a thread gets it. */
export interface PublishedPort extends RelayPort {
  /** Word in which the threads count its flows, see Crew; absent: this thread serves it alone, or there is no word left. */
  readonly slot?: number;
}

export type RelayRequest =
  | { readonly kind: 'publish'; readonly port: PublishedPort; readonly fd: number }
  | { readonly kind: 'update'; readonly id: string; readonly endpoints: readonly EndpointConfig[]; readonly choice?: RelayChoice }
  | { readonly kind: 'unpublish'; readonly id: string }
  | { readonly kind: 'flows' }
  | { readonly kind: 'flowsTo'; readonly address: number }
  | { readonly kind: 'opened' }
  | { readonly kind: 'ejectedFor'; readonly endpoint: string }
  | { readonly kind: 'counters' }
  | { readonly kind: 'close' };

export interface RelayAnswers {
  publish: undefined;
  update: undefined;
  unpublish: undefined;
  flows: FlowRecord[];
  flowsTo: number;
  opened: Record<string, number>;
  ejectedFor: number;
  counters: Record<string, number>;
  close: undefined;
}

export interface RelayCall {
  readonly call: number;
  readonly request: RelayRequest;
}

export type RelayReply =
  | { readonly kind: 'started' }
  | { readonly kind: 'done'; readonly call: number; readonly value: RelayAnswers[keyof RelayAnswers] }
  | { readonly kind: 'failed'; readonly call: number; readonly message: string };

/** A request the relay could not meet, or a relay that is gone. */
export class RelayError extends Error {
  override readonly name = 'RelayError';
}
