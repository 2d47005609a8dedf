/**
 * What the main thread and a dataplane worker say to each other. Every request has an id and is answered exactly once, in
 * order; a loss is told unasked. Plain data: messages cross by structured clone.
 */
import type { Snapshot } from '../config/snapshot.js';
import type { EndedFlow } from './handle.js';

export type Request =
  | { readonly kind: 'attach'; readonly id: number; readonly network: number; readonly fd: number }
  | { readonly kind: 'detach'; readonly id: number; readonly network: number }
  | { readonly kind: 'apply'; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: 'refuse'; readonly id: number; readonly network: number; readonly flows: readonly EndedFlow[] }
  | { readonly kind: 'close'; readonly id: number };

export type Reply =
  | { readonly kind: 'done'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string }
  /** The device of a network failed; it is detached. `errno` is 0 when poll alone said so. */
  | { readonly kind: 'lost'; readonly network: number; readonly errno: number };
