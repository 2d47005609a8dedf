/** `deploy` of a compose service, as far as it is about nodes and about updates. */
import type { PlacementSpec, UpdatePolicy } from '../../overlay/model/spec.js';
import { ROLLBACK_FAILURE_ACTIONS, UPDATE_FAILURE_ACTIONS, UPDATE_ORDERS } from '../../overlay/model/updates.js';
import type { ServiceInput } from '../api/inputs.js';
import { PLACEMENT_KEYS, POLICY_KEYS, PREFERENCE_KEYS } from './keys.js';
import { isNull } from './reader.js';
import type { Reader } from './reader.js';
import type { YamlEntry } from './yaml.js';

export interface ComposeDeployment {
  readonly input: Pick<ServiceInput, 'mode' | 'placement' | 'update' | 'rollback'>;
  /** The line of each part, by the path that the model calls it by: `placement.constraints[0]`. */
  readonly lines: ReadonlyMap<string, number>;
}

const JOBS = ['replicated-job', 'global-job'] as const;

/** @param deploy entries below `deploy`, which is at `path` */
export function readDeployment(reader: Reader, deploy: ReadonlyMap<string, YamlEntry>, path: string): ComposeDeployment {
  const lines = new Map<string, number>();
  const mode = readMode(reader, deploy.get('mode'), `${path}.mode`);
  const placement = readPlacement(reader, deploy.get('placement'), `${path}.placement`, lines);
  const update = readPolicy(reader, deploy.get('update_config'), `${path}.update_config`, UPDATE_FAILURE_ACTIONS);
  const rollback = readPolicy(reader, deploy.get('rollback_config'), `${path}.rollback_config`, ROLLBACK_FAILURE_ACTIONS);
  for (const [part, key] of [['mode', 'mode'], ['placement', 'placement'], ['update', 'update_config'], ['rollback', 'rollback_config']] as const) {
    const entry = deploy.get(key);
    if (entry) lines.set(part, entry.line);
  }
  return { input: { ...(mode && { mode }), ...(placement && { placement }), ...(update && { update }), ...(rollback && { rollback }) }, lines };
}

/** A job is run as a service of its kind. */
function readMode(reader: Reader, entry: YamlEntry | undefined, path: string): ServiceInput['mode'] {
  const mode = reader.oneOf(entry, path, ['replicated', 'global', ...JOBS] as const);
  if (mode !== 'replicated-job' && mode !== 'global-job') return mode;
  const kind = mode === 'global-job' ? 'global' : 'replicated';
  reader.warn(entry?.line ?? 0, `${path} '${mode}' is not supported: the service is ${kind}`);
  return kind;
}

function readPlacement(reader: Reader, entry: YamlEntry | undefined, path: string, lines: Map<string, number>): PlacementSpec | undefined {
  if (!entry || isNull(entry.value)) return undefined;
  const keys = reader.map(entry.value, path, PLACEMENT_KEYS);
  const constraints = keys.get('constraints')?.value;
  const preferences = keys.get('preferences')?.value;
  if (constraints?.kind === 'list') constraints.items.forEach(({ line }, index) => lines.set(`placement.constraints[${index}]`, line));
  if (preferences !== undefined && !isNull(preferences) && preferences.kind !== 'list') return reader.error(preferences.line, `${path}.preferences must be a list`);
  const items = preferences?.kind === 'list' ? preferences.items : [];
  return {
    constraints: reader.strings(constraints, `${path}.constraints`),
    preferences: items.flatMap((item, index) => {
      lines.set(`placement.preferences[${index}]`, item.line);
      const spread = reader.map(item, `${path}.preferences`, PREFERENCE_KEYS).get('spread');
      const attribute = reader.text(spread, `${path}.preferences.spread`);
      return attribute === undefined ? [] : [`spread=${attribute}`];
    }),
  };
}

function readPolicy<A extends UpdatePolicy['failureAction']>(reader: Reader, entry: YamlEntry | undefined, path: string, actions: readonly A[]): (Partial<UpdatePolicy> & { failureAction?: A }) | undefined {
  if (!entry || isNull(entry.value)) return undefined;
  const keys = reader.map(entry.value, path, POLICY_KEYS);
  const parallelism = reader.number(keys.get('parallelism'), `${path}.parallelism`, 0);
  const delay = reader.duration(keys.get('delay'), `${path}.delay`);
  const order = reader.oneOf(keys.get('order'), `${path}.order`, UPDATE_ORDERS);
  const monitor = reader.duration(keys.get('monitor'), `${path}.monitor`);
  const failureAction = reader.oneOf(keys.get('failure_action'), `${path}.failure_action`, actions);
  const maxFailureRatio = readRatio(reader, keys.get('max_failure_ratio'), `${path}.max_failure_ratio`);
  return {
    ...(parallelism !== undefined && { parallelism }),
    ...(delay !== undefined && { delay }),
    ...(order !== undefined && { order }),
    ...(monitor !== undefined && { monitor }),
    ...(failureAction !== undefined && { failureAction }),
    ...(maxFailureRatio !== undefined && { maxFailureRatio }),
  };
}

function readRatio(reader: Reader, entry: YamlEntry | undefined, path: string): number | undefined {
  const text = reader.text(entry, path);
  if (entry === undefined || text === undefined) return undefined;
  const value = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : NaN;
  return value <= 1 ? value : reader.error(entry.line, `${path}: '${text}' is not a number from 0 to 1`);
}
