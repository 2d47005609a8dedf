/**
 * Where tasks may run, as users write it: constraints (`node.labels.zone==a`) and preferences (`spread=node.labels.zone`), what
 * is wrong with them, and whether a node fulfils them. Specs hold both as text in one form. Which of several nodes a task gets
 * is service/placement.ts's to say.
 */
import { ValidationError } from './errors.js';
import type { NodeRecord } from './object.js';
import type { PlacementSpec } from './spec.js';

export const DEFAULT_PLACEMENT: PlacementSpec = { constraints: [], preferences: [] };

/** What constraints and preferences can ask of a node. */
export type NodeTraits = Pick<NodeRecord, 'id' | 'hostname' | 'labels' | 'mode'>;

export interface Constraint {
  /** `node.hostname`, `node.labels.zone` */
  readonly attribute: string;
  readonly operator: '==' | '!=';
  readonly value: string;
}

const LABELS = 'node.labels.';
const MODES = ['root', 'rootless', 'sockets'];
const ATTRIBUTES = 'node.hostname, node.id, node.mode or node.labels.KEY';
const CONSTRAINT = /^\s*(?<attribute>[^\s=!]+)\s*(?<operator>==|!=)\s*(?<value>[^\s=!](?:.*\S)?)\s*$/;
const PREFERENCE = /^\s*spread\s*=\s*(?<attribute>[^\s=!]+)\s*$/;

/** `node.hostname==n1`, `node.labels.zone!=a`; blanks around the parts mean nothing. Throws ValidationError. */
export function parseConstraint(text: string): Constraint {
  const { attribute, operator, value } = CONSTRAINT.exec(text)?.groups ?? {};
  if (attribute === undefined || value === undefined) {
    throw new ValidationError(`'${text}' is not a constraint: write ATTRIBUTE==VALUE or ATTRIBUTE!=VALUE, such as node.labels.zone==a, with ${ATTRIBUTES}`);
  }
  requireAttribute(attribute);
  if (attribute === 'node.mode' && !MODES.includes(value)) throw new ValidationError(`'${value}' in '${text}' is no mode of a node: use ${MODES.join(' or ')}`);
  return { attribute, operator: operator === '!=' ? '!=' : '==', value };
}

export function formatConstraint({ attribute, operator, value }: Constraint): string {
  return `${attribute}${operator}${value}`;
}

/** The attribute over whose values tasks are to be spread: `node.labels.zone` of `spread=node.labels.zone`. Throws ValidationError. */
export function parsePreference(text: string): string {
  const attribute = PREFERENCE.exec(text)?.groups?.['attribute'];
  if (attribute === undefined) throw new ValidationError(`'${text}' is not a placement preference: write spread=ATTRIBUTE, such as spread=node.labels.zone`);
  requireAttribute(attribute);
  return attribute;
}

export function formatPreference(attribute: string): string {
  return `spread=${attribute}`;
}

function requireAttribute(attribute: string): void {
  if (attribute === 'node.hostname' || attribute === 'node.id' || attribute === 'node.mode') return;
  if (attribute.startsWith(LABELS) && attribute.length > LABELS.length) return;
  throw new ValidationError(`'${attribute}' is not known of a node: use ${ATTRIBUTES}`);
}

/** A label that the node does not have is empty. */
export function traitOf(node: NodeTraits, attribute: string): string {
  if (attribute === 'node.hostname') return node.hostname;
  if (attribute === 'node.id') return node.id;
  if (attribute === 'node.mode') return node.mode;
  return node.labels[attribute.slice(LABELS.length)] ?? '';
}

/** Host names are compared as DNS compares names, without regard to case. */
export function fulfils(node: NodeTraits, { attribute, operator, value }: Constraint): boolean {
  const trait = traitOf(node, attribute);
  const same = attribute === 'node.hostname' ? trait.toLowerCase() === value.toLowerCase() : trait === value;
  return same === (operator === '==');
}
