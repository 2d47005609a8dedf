/**
 * Which node gets the next task of a service: pure. Eligible are nodes that are up and active and on which all constraints hold.
 * Among these, in this order: even over the values of each placement preference, within those of the one before; the fewest
 * tasks of the service; the fewest tasks in all; the host name that comes first.
 *
 * What was decided in one pass counts for the next decision of the same pass (Occupancy).
 */
import type { Availability, ServiceObject, TaskObject } from '../model/object.js';
import type { Constraint, NodeTraits } from '../model/placement.js';
import { formatConstraint, fulfils, parseConstraint, parsePreference, traitOf } from '../model/placement.js';
import { isEnded } from '../model/task-state.js';

/** How long a node may be down until its tasks are made elsewhere. Milliseconds, after the end of its lease. */
export const NODE_GRACE = 15_000;

export interface PlacementNode extends NodeTraits {
  readonly availability: Availability;
  readonly up: boolean;
  /** Names and ids of networks that cannot be had on it: encrypted ones, where nothing can encrypt. */
  readonly without?: readonly string[];
  /** When it went down, as far as is known, in milliseconds since the epoch. */
  readonly downSince?: number;
}

type Placed = Pick<ServiceObject, 'id' | 'spec'>;

/** How many tasks there are on each node, by host name: those that are meant to run. */
export class Occupancy {
  readonly #all = new Map<string, number>();
  readonly #ofService = new Map<string, Map<string, number>>();

  constructor(tasks: Iterable<Pick<TaskObject, 'serviceId' | 'node' | 'desired' | 'status'>>) {
    for (const task of tasks) if (task.desired === 'running' && !isEnded(task)) this.add(task);
  }

  add(task: Pick<TaskObject, 'serviceId' | 'node'>): void {
    this.#change(task, 1);
  }

  /** Of a task that has, or is given, a successor. */
  remove(task: Pick<TaskObject, 'serviceId' | 'node'>): void {
    this.#change(task, -1);
  }

  on(node: string): number {
    return this.#all.get(node) ?? 0;
  }

  ofService(serviceId: string, node: string): number {
    return this.#ofService.get(serviceId)?.get(node) ?? 0;
  }

  #change({ serviceId, node }: Pick<TaskObject, 'serviceId' | 'node'>, by: number): void {
    this.#all.set(node, this.on(node) + by);
    if (serviceId === undefined) return;
    let counts = this.#ofService.get(serviceId);
    if (!counts) this.#ofService.set(serviceId, (counts = new Map<string, number>()));
    counts.set(node, (counts.get(node) ?? 0) + by);
  }
}

export type Choice = { readonly node: PlacementNode } | { readonly problem: string };

/** `problem`: one sentence that names the service, its constraints, and why each node is out. */
export function chooseNode(service: Placed, nodes: readonly PlacementNode[], occupancy: Occupancy): Choice {
  const constraints = constraintsOf(service);
  const eligible = nodes.filter((node) => obstacle(service, node, constraints) === undefined);
  if (eligible.length === 0) return { problem: noSuitableNode(service, nodes, constraints) };
  const rank = rankOf(service, nodes, occupancy);
  const [first, ...others] = eligible.map((node) => ({ node, rank: rank(node) }));
  const best = others.reduce((a, b) => (isBefore(b, a) ? b : a), first as Ranked);
  return { node: best.node };
}

/** All constraints hold on the node, and it can have the service's networks. */
export function suits(service: Placed, node: Pick<PlacementNode, keyof NodeTraits | 'without'>): boolean {
  return !isWithout(node, service) && constraintsOf(service).every((constraint) => fulfils(node, constraint));
}

/** It may get a task now. */
export function isEligible(service: Placed, node: PlacementNode): boolean {
  return obstacle(service, node, constraintsOf(service)) === undefined;
}

function isWithout({ without = [] }: Pick<PlacementNode, 'without'>, { spec }: Placed): boolean {
  return spec.networks.some(({ network }) => without.includes(network));
}

function constraintsOf({ spec }: Placed): Constraint[] {
  return spec.placement.constraints.map(parseConstraint);
}

interface Ranked {
  readonly node: PlacementNode;
  /** Less is better, the first number before the next. */
  readonly rank: readonly number[];
}

/** Tasks of the service where a preference's values are the node's; on the node; tasks of all on the node. */
function rankOf({ id, spec }: Placed, nodes: readonly PlacementNode[], occupancy: Occupancy): (node: PlacementNode) => number[] {
  const attributes = spec.placement.preferences.map(parsePreference);
  const branches = attributes.map((_, depth) => (node: NodeTraits): string => JSON.stringify(attributes.slice(0, depth + 1).map((attribute) => traitOf(node, attribute))));
  const counts = branches.map((branch) => {
    const sums = new Map<string, number>();
    for (const node of nodes) sums.set(branch(node), (sums.get(branch(node)) ?? 0) + occupancy.ofService(id, node.hostname));
    return (node: PlacementNode): number => sums.get(branch(node)) ?? 0;
  });
  return (node) => [...counts.map((count) => count(node)), occupancy.ofService(id, node.hostname), occupancy.on(node.hostname)];
}

function isBefore(a: Ranked, b: Ranked): boolean {
  const index = a.rank.findIndex((value, i) => value !== b.rank[i]);
  if (index >= 0) return (a.rank[index] ?? 0) < (b.rank[index] ?? 0);
  return a.node.hostname < b.node.hostname;
}

/** Why the node gets no task: words for one node, and for several. */
function obstacle(service: Placed, node: PlacementNode, constraints: readonly Constraint[]): readonly [string, string] | undefined {
  if (!node.up) return ['is down', 'are down'];
  if (node.availability === 'drain') return ['is drained', 'are drained'];
  if (node.availability === 'pause') return ['is paused', 'are paused'];
  if (isWithout(node, service)) return ['has its VXLAN in userspace and cannot encrypt', 'have their VXLAN in userspace and cannot encrypt'];
  const broken = constraints.find((constraint) => !fulfils(node, constraint));
  return broken && [`does not fulfil ${formatConstraint(broken)}`, `do not fulfil ${formatConstraint(broken)}`];
}

function noSuitableNode(service: Placed, nodes: readonly PlacementNode[], constraints: readonly Constraint[]): string {
  const reasons = new Map<string, { readonly words: readonly [string, string]; count: number }>();
  for (const node of nodes) {
    const words = obstacle(service, node, constraints);
    if (!words) continue;
    const reason = reasons.get(words[0]);
    if (reason) reason.count += 1;
    else reasons.set(words[0], { words, count: 1 });
  }
  const listed = [...reasons.values()].map(({ words: [one, many], count }) => (count === 1 ? `1 node ${one}` : `${count} nodes ${many}`));
  const remedy = constraints.length === 0 ? 'have a node that is up and active' : 'have a node that is up, active and fulfils the constraints, or change these';
  return `no suitable node for service '${service.spec.name}' (${listed.length === 0 ? 'there are no nodes' : listed.join(', ')}): ${remedy}`;
}
