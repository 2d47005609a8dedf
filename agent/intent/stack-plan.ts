/**
 * What deploying a stack comes to, given what there is. Pure: the order of the steps is the order to take them in.
 *
 * As in Swarm, deploying neither removes a service that the file no longer names, nor changes a network that exists.
 */
import type { NetworkObject, ServiceObject } from '../../overlay/model/object.js';
import type { NetworkSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { STACK_LABEL } from '../../overlay/model/spec.js';
import { formatCidr6, parseCidr6 } from '../../proxy/net/addr6.js';
import type { StackRequest } from '../control.js';
import { ControlError } from '../control.js';

export type StackStep =
  | { readonly kind: 'create-network'; readonly spec: NetworkSpec }
  | { readonly kind: 'create-service'; readonly spec: ServiceSpec }
  | { readonly kind: 'update-service'; readonly id: string; readonly spec: ServiceSpec }
  | { readonly kind: 'unchanged'; readonly what: string };

export interface Existing {
  readonly networks: readonly NetworkObject[];
  readonly services: readonly ServiceObject[];
}

/** Throws ControlError when a name belongs to something that is not the stack's. */
export function planStack(stack: string, request: StackRequest, existing: Existing): StackStep[] {
  const steps: StackStep[] = [];
  for (const wanted of request.networks) {
    const spec = labelled(stack, wanted);
    const there = existing.networks.find((network) => network.spec.name === spec.name);
    if (!there) steps.push({ kind: 'create-network', spec });
    else {
      requireOwn(stack, 'network', spec.name, there.spec.labels);
      requireSame(spec, there);
      steps.push({ kind: 'unchanged', what: `network ${spec.name}` });
    }
  }
  for (const wanted of request.services) {
    const spec = labelled(stack, wanted);
    const there = existing.services.find((service) => service.spec.name === spec.name);
    if (!there) steps.push({ kind: 'create-service', spec });
    else {
      requireOwn(stack, 'service', spec.name, there.spec.labels);
      if (canonical(there.spec) === canonical(spec)) steps.push({ kind: 'unchanged', what: `service ${spec.name}` });
      else steps.push({ kind: 'update-service', id: there.id, spec });
    }
  }
  return steps;
}

function requireSame(spec: NetworkSpec, there: NetworkObject): void {
  const has6 = there.subnet6 !== undefined;
  if (spec.ipv6 !== has6) {
    const remedy = `remove the network first, or ${has6 ? 'leave IPv6 on (enable_ipv6: true)' : 'leave enable_ipv6 out'}`;
    throw new ControlError('conflict', `network ${spec.name} exists ${has6 ? 'with' : 'without'} IPv6, and that cannot change`, remedy);
  }
  for (const [wanted, is] of [[spec.subnet, there.subnet], [spec.subnet6 && canonicalSubnet6(spec.subnet6), there.subnet6]]) {
    if (wanted === undefined || wanted === is) continue;
    throw new ControlError('conflict', `network ${spec.name} exists with subnet ${is}, and a network's subnet cannot change`, `remove the network first, or leave its subnet at ${is}`);
  }
}

/** As objects have it. */
function canonicalSubnet6(text: string): string {
  return formatCidr6(parseCidr6(text));
}

function labelled<T extends NetworkSpec | ServiceSpec>(stack: string, spec: T): T {
  return { ...spec, labels: { ...spec.labels, [STACK_LABEL]: stack } };
}

function requireOwn(stack: string, kind: string, name: string, labels: Readonly<Record<string, string>>): void {
  const owner = labels[STACK_LABEL];
  if (owner === stack) return;
  const whose = owner === undefined ? 'no stack' : `stack ${owner}`;
  throw new ControlError('conflict', `${kind} ${name} exists already and belongs to ${whose}`, `rename it in the file, or remove the ${kind} first`);
}

/** The same text for the same content, whatever the order of the keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
