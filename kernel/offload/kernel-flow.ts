/** A flow that the kernel has, from what connection tracking says of it: for both drivers, since IPVS has its connections tracked, too. */
import type { TrackedFlow } from '../conntrack/flow.js';
import { establishedFlows, type MarkMatch } from '../conntrack/tool.js';
import type { Namespace } from '../netns/netns.js';
import type { KernelFlow } from './driver.js';

/** @param mark of its service */
export function kernelFlow({ protocol, original, reply, state, expires, bytes }: TrackedFlow, mark: number): KernelFlow {
  return {
    mark,
    protocol,
    client: `${original.source}:${original.sourcePort}`,
    virtual: `${original.destination}:${original.destinationPort}`,
    endpoint: `${reply.source}:${reply.sourcePort}`,
    seenAs: `${reply.destination}:${reply.destinationPort}`,
    state,
    expires,
    bytes,
  };
}

/** Otherwise it is userspace's, whatever its mark. */
export function isTranslated({ original, reply }: TrackedFlow): boolean {
  return original.destination !== reply.source || original.destinationPort !== reply.sourcePort;
}

/** Established connections of services, by their marks, each as connection tracking has it: at most so many together. Throws OffloadError. */
export async function connectionsOf(namespace: Namespace, marks: Iterable<readonly [mark: number, match: MarkMatch]>, most: number): Promise<KernelFlow[]> {
  const found: KernelFlow[] = [];
  for (const [mark, match] of marks) {
    if (found.length >= most) break;
    for (const flow of await establishedFlows(namespace, { mark: match }, most - found.length)) if (isTranslated(flow)) found.push(kernelFlow(flow, mark));
  }
  return found;
}
