/**
 * What the relay's threads have in common: what each is given at its start, and how it answers.
 */
import { enterNamespace } from '../../kernel/netns/netns.js';
import { raiseEvent } from '../../kernel/ffi/libc.js';
import { socketFamily } from '../../kernel/netns/socket-info.js';
import { RelayCore } from '../../proxy/relay/core.js';
import { Crew, type CrewMemory } from '../../proxy/relay/crew.js';
import type { RelayCall, RelayLimits, RelayReply } from '../../proxy/relay/messages.js';
import type { Clock } from '../../proxy/time/clock.js';
import { SystemSockets } from './system-sockets.js';

export interface RelayInput {
  /** undefined: the thread stays in the namespace of the process. */
  readonly namespaceFd: number | undefined;
  readonly limits: RelayLimits;
  readonly crew: CrewMemory;
  /** Which of the crew this thread is. */
  readonly index: number;
  /** Of each of the crew an eventfd that ends its wait; empty for the thread of UDP, which Node wakes. */
  readonly wakeUps: readonly number[];
}

export function makeCore(input: RelayInput, clock: Clock): { readonly core: RelayCore; readonly sockets: SystemSockets } {
  if (input.namespaceFd !== undefined) enterNamespace(input.namespaceFd);
  const sockets = new SystemSockets();
  const crew = new Crew(input.crew, input.index, (thread) => raiseEvent(input.wakeUps[thread]!));
  return { core: new RelayCore({ limits: input.limits, clock, sockets, crew, familyOf: socketFamily }), sockets };
}

export function answer(core: RelayCore, { call, request }: RelayCall): RelayReply {
  try {
    return { kind: 'done', call, value: core.handle(request) };
  } catch (error) {
    return { kind: 'failed', call, message: error instanceof Error ? error.message : String(error) };
  }
}
