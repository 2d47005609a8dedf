/** The options of `service create` and `service update` about nodes and about updates, and what they come to. */
import { parseDuration } from '../../../overlay/model/duration.js';
import { formatConstraint, formatPreference, parseConstraint, parsePreference } from '../../../overlay/model/placement.js';
import type { PlacementSpec, RollbackPolicy, ServiceMode, UpdatePolicy } from '../../../overlay/model/spec.js';
import { ROLLBACK_FAILURE_ACTIONS, SERVICE_MODES, UPDATE_FAILURE_ACTIONS, UPDATE_ORDERS } from '../../../overlay/model/updates.js';
import type { ServiceInput } from '../../api/inputs.js';
import { UsageError } from '../command.js';
import type { OptionSpec } from '../command.js';
import { CommandFailure } from '../context.js';
import { ratio, wholeNumber } from '../values.js';

/** Names of options as the parser makes them. Durations are milliseconds. */
export interface PolicyOptions {
  readonly updateParallelism?: number;
  readonly updateDelay?: number;
  readonly updateOrder?: UpdatePolicy['order'];
  readonly updateMonitor?: number;
  readonly updateFailureAction?: UpdatePolicy['failureAction'];
  readonly updateMaxFailureRatio?: number;
  readonly rollbackParallelism?: number;
  readonly rollbackDelay?: number;
  readonly rollbackOrder?: UpdatePolicy['order'];
  readonly rollbackMonitor?: number;
  readonly rollbackFailureAction?: RollbackPolicy['failureAction'];
  readonly rollbackMaxFailureRatio?: number;
}

/** Of a create. */
export interface DeploymentOptions extends PolicyOptions {
  readonly mode?: ServiceMode;
  readonly constraint?: readonly string[];
  readonly placementPref?: readonly string[];
}

/** Of an update. */
export interface DeploymentChanges extends PolicyOptions {
  readonly constraintAdd?: readonly string[];
  readonly constraintRm?: readonly string[];
  readonly placementPrefAdd?: readonly string[];
  readonly placementPrefRm?: readonly string[];
}

const constraint = (text: string): string => formatConstraint(parseConstraint(text));
/** `node.labels.zone` is understood as well. */
const preference = (text: string): string => formatPreference(parsePreference(text.includes('=') ? text : `spread=${text}`));

export const placementOptions: readonly OptionSpec[] = [
  { flags: '--mode <mode>', about: 'replicated: as many tasks as --replicas; global: one on every node', choices: SERVICE_MODES, shown: 'replicated' },
  { flags: '--constraint <constraint>', about: 'nodes that may have its tasks: node.hostname==NAME, node.labels.KEY==VALUE, node.id==ID, node.mode==root|rootless, or the same with != (repeatable; all must hold)', many: true, parse: constraint },
  { flags: '--placement-pref <pref>', about: 'spread=node.labels.KEY: as many tasks for each value of the label (repeatable; the first counts most)', many: true, parse: preference },
];

export const placementChanges: readonly OptionSpec[] = [
  { flags: '--constraint-add <constraint>', about: 'nodes that may have its tasks, as in service create; tasks on others move (repeatable)', many: true, parse: constraint },
  { flags: '--constraint-rm <constraint>', about: 'remove a constraint (repeatable)', many: true, parse: constraint },
  { flags: '--placement-pref-add <pref>', about: 'spread=node.labels.KEY, for tasks that are made from now on (repeatable)', many: true, parse: preference },
  { flags: '--placement-pref-rm <pref>', about: 'remove a preference (repeatable)', many: true, parse: preference },
];

/** @param defaults whether the help shows what applies when an option is left out (not so for an update) */
export function policyOptions(defaults: boolean): OptionSpec[] {
  const shown = (text: string): { shown?: string } => (defaults ? { shown: text } : {});
  return (['update', 'rollback'] as const).flatMap((what): OptionSpec[] => [
    { flags: `--${what}-parallelism <n>`, about: `tasks that a${what === 'update' ? 'n update' : ' rollback'} replaces at a time, 0 for all`, parse: wholeNumber(0), ...shown('1') },
    { flags: `--${what}-delay <duration>`, about: 'from when a new task serves to the next', parse: parseDuration, ...shown('0s') },
    { flags: `--${what}-order <order>`, about: 'stop-first, or start-first: the new task serves before the old one stops', choices: UPDATE_ORDERS, ...shown('stop-first') },
    { flags: `--${what}-monitor <duration>`, about: 'a new task that ends within this time has failed', parse: parseDuration, ...shown('5s') },
    {
      flags: `--${what}-failure-action <action>`,
      about: what === 'update' ? 'when tasks fail: pause, continue, or rollback to what was before' : 'when tasks fail: pause or continue',
      choices: what === 'update' ? UPDATE_FAILURE_ACTIONS : ROLLBACK_FAILURE_ACTIONS,
      ...shown('pause'),
    },
    { flags: `--${what}-max-failure-ratio <ratio>`, about: 'the part of the tasks, 0 to 1, that may fail before that', parse: ratio, ...shown('0') },
  ]);
}

type Deployment = Pick<ServiceInput, 'mode' | 'placement' | 'update' | 'rollback'>;

/** Throws UsageError for replicas of a global service. */
export function deploymentOf(options: DeploymentOptions & { readonly replicas?: number }): Deployment {
  const { mode, constraint: constraints, placementPref: preferences } = options;
  if (mode === 'global' && options.replicas !== undefined) throw new UsageError('--replicas is for --mode replicated: a global service has one task on every node', 'leave it out, and use --constraint to have fewer nodes');
  const placement: Partial<PlacementSpec> = { ...(constraints && { constraints }), ...(preferences && { preferences }) };
  return { ...(mode && { mode }), ...(Object.keys(placement).length > 0 && { placement }), ...policiesOf(options) };
}

/** What is to be removed must be there: throws CommandFailure otherwise. */
export function changedDeployment(before: Required<Deployment> & { readonly placement: PlacementSpec }, options: DeploymentChanges): Deployment {
  const { constraintAdd = [], constraintRm = [], placementPrefAdd = [], placementPrefRm = [] } = options;
  const { update, rollback } = policiesOf(options);
  return {
    placement: {
      constraints: changed(before.placement.constraints, constraintAdd, constraintRm, 'constraint'),
      preferences: changed(before.placement.preferences, placementPrefAdd, placementPrefRm, 'placement preference'),
    },
    update: { ...before.update, ...update },
    rollback: { ...before.rollback, ...rollback },
  };
}

function changed(list: readonly string[], add: readonly string[], remove: readonly string[], what: string): string[] {
  for (const text of remove) {
    if (!list.includes(text)) throw new CommandFailure(`the service has no ${what} '${text}'`, list.length === 0 ? undefined : `it has ${list.join(', ')}`);
  }
  return [...new Set([...list.filter((text) => !remove.includes(text)), ...add])];
}

function policiesOf(options: PolicyOptions): Pick<ServiceInput, 'update' | 'rollback'> {
  const common = (what: 'update' | 'rollback'): Partial<Omit<UpdatePolicy, 'failureAction'>> => {
    const parallelism = options[`${what}Parallelism`];
    const delay = options[`${what}Delay`];
    const order = options[`${what}Order`];
    const monitor = options[`${what}Monitor`];
    const maxFailureRatio = options[`${what}MaxFailureRatio`];
    return {
      ...(parallelism !== undefined && { parallelism }),
      ...(delay !== undefined && { delay }),
      ...(order !== undefined && { order }),
      ...(monitor !== undefined && { monitor }),
      ...(maxFailureRatio !== undefined && { maxFailureRatio }),
    };
  };
  const { updateFailureAction, rollbackFailureAction } = options;
  const update = { ...common('update'), ...(updateFailureAction !== undefined && { failureAction: updateFailureAction }) };
  const rollback = { ...common('rollback'), ...(rollbackFailureAction !== undefined && { failureAction: rollbackFailureAction }) };
  return { ...(Object.keys(update).length > 0 && { update }), ...(Object.keys(rollback).length > 0 && { rollback }) };
}
