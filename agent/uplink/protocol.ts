/**
 * What the inner and the outer process of a rootless agent say to each other about the uplink, over the child's IPC channel: the inner one
 * has the namespaces, the outer one starts the program, which has to be in the host's. These messages have an `uplink` member.
 */
import type { UplinkProgram } from './programs.js';

/** The namespace is ready: start the program, and see that it goes on. */
export interface UplinkRequest {
  readonly uplink: 'begin';
  readonly program: UplinkProgram;
}

export type UplinkReport =
  | { readonly uplink: 'started' }
  /** `problem`: how it ended, and its last words. Milliseconds until it is started again. */
  | { readonly uplink: 'ended'; readonly problem: string; readonly again: number };

/** The message when it is one of ours. What comes over the channel is our own other half's: no need to look deeper. */
export function asUplinkRequest(message: unknown): UplinkRequest | undefined {
  return isUplinkMessage(message) ? (message as UplinkRequest) : undefined;
}

export function asUplinkReport(message: unknown): UplinkReport | undefined {
  return isUplinkMessage(message) ? (message as UplinkReport) : undefined;
}

function isUplinkMessage(message: unknown): boolean {
  return typeof message === 'object' && message !== null && typeof (message as { uplink?: unknown }).uplink === 'string';
}
