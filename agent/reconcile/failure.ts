/**
 * What failed while a node was reconciled, and what that was about; and the sentence that users get of it. Who keeps such sentences, and
 * since when they hold, is node-problems.ts.
 */
import { IpBatchError } from '../../kernel/netns/links.js';
import type { NodeProblem } from '../../overlay/model/object.js';
import type { DesiredPort } from './project.js';

/** Id of a network; `nodes`: this node with all others; `encryption`: with all others, on encrypted networks. */
export type FailureSubject = { readonly networkId: string } | 'nodes' | 'encryption';

export class ReconcileFailure extends Error {
  override readonly name = 'ReconcileFailure';

  constructor(
    readonly subject: FailureSubject,
    override readonly cause: unknown,
  ) {
    super(textOf(cause));
  }
}

const CONSEQUENCE = {
  nodes: 'this node is not connected to other nodes, since it cannot filter who may speak to it',
  encryption: 'this node is not on encrypted networks',
} as const;

/** What users are told of a failed pass. @param nameOf a network */
export function problemOf(error: unknown, nameOf: (networkId: string) => string): Omit<NodeProblem, 'since'> {
  if (!(error instanceof ReconcileFailure)) return { about: 'this node', message: sentence(error) };
  const { subject, cause } = error;
  if (typeof subject === 'object') return { about: `network ${nameOf(subject.networkId)}`, message: sentence(cause) };
  return { about: subject === 'nodes' ? 'other nodes' : 'encrypted networks', message: `${CONSEQUENCE[subject]}: ${sentence(cause)}` };
}

/** The cause, and the remedy where one is known. */
function sentence(error: unknown): string {
  const remedy = remedyOf(error);
  return remedy === undefined ? textOf(error) : `${textOf(error).replace(/\.$/, '')}: ${remedy}`;
}

function remedyOf(error: unknown): string | undefined {
  // The kernel has one VXLAN device for a VNI and port in all that goes out from one namespace (drivers/net/vxlan/vxlan_core.c, vxlan_vni_in_use).
  if (error instanceof IpBatchError && /^link add .*vxlan/.test(error.line) && /exists/.test(error.reason)) {
    return 'another VXLAN device of this host has that VNI and port, find it with `ip -d link show type vxlan` and remove it, or have all nodes use another --vxlan-port';
  }
  const { remedy } = (error ?? {}) as { readonly remedy?: unknown };
  return typeof remedy === 'string' ? remedy : undefined;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What users are told of published ports that are not served. @param failures why, by key */
export function portProblems(ports: ReadonlyMap<string, DesiredPort>, failures: ReadonlyMap<string, string>): Omit<NodeProblem, 'since'>[] {
  return [...failures].flatMap(([key, message]) => {
    const wanted = ports.get(key);
    if (!wanted) return [];
    const { address, published, protocol } = wanted.port;
    return [{ about: `port ${address === undefined ? '' : `${address}:`}${published}/${protocol}`, message, service: wanted.relay.service }];
  });
}
