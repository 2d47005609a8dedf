/**
 * How a service is balanced, which compose has no keys for: `x-vipmesh` below the service or its `deploy`. Keys may be in
 * snake or camel case; values are written as on the command line, or as maps.
 */
import { OFFLOAD_MODES, PREFERENCES, SCHEDULERS, slotProblem } from '../../overlay/model/balancing.js';
import type { BalancingSpec, FlowTimeouts } from '../../overlay/model/spec.js';
import type { BalancingInput } from '../api/inputs.js';
import type { Weight } from '../grammar/balancing.js';
import { combineWeights, parseAffinity, parseTimeouts, parseWeight } from '../grammar/balancing.js';
import { BALANCING_KEYS, EJECT_KEYS, TIMEOUT_KEYS } from './keys.js';
import { isNull } from './reader.js';
import type { Reader } from './reader.js';
import type { YamlEntry } from './yaml.js';

/** `drainTimeout` for `drain_timeout`. */
const camelCase = (key: string): string => key.replace(/_[a-z]/g, (letter) => letter.slice(1).toUpperCase());

/** `drain_timeout` for `drainTimeout`. */
const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

export interface ComposeBalancing {
  readonly input: BalancingInput;
  /** The line of each option, by the path that the model calls it by: `balancing.timeouts.udp`. */
  readonly lines: ReadonlyMap<string, number>;
}

/** @param replicas of the service, which are those that can have weights of their own */
export function readBalancing(reader: Reader, entry: YamlEntry | undefined, path: string, replicas: number): ComposeBalancing | undefined {
  if (!entry || isNull(entry.value)) return undefined;
  const keys = new Map<string, YamlEntry>();
  for (const given of reader.map(entry.value, path, BALANCING_KEYS).values()) {
    const key = snakeCase(given.key);
    if (keys.has(key)) reader.error(given.line, `${path}.${key} is given twice`);
    keys.set(key, given);
  }
  const scheduler = reader.oneOf(keys.get('scheduler'), `${path}.scheduler`, SCHEDULERS);
  const weights = readWeights(reader, keys.get('weights'), `${path}.weights`, replicas);
  const affinityText = reader.text(keys.get('affinity'), `${path}.affinity`);
  const affinity = affinityText === undefined ? undefined : reader.attempt(keys.get('affinity')?.line ?? entry.line, `${path}.affinity`, () => parseAffinity(affinityText));
  const prefer = reader.oneOf(keys.get('prefer'), `${path}.prefer`, PREFERENCES);
  const slowStart = reader.duration(keys.get('slow_start'), `${path}.slow_start`);
  const maxConns = reader.number(keys.get('max_conns'), `${path}.max_conns`, 0);
  const eject = reader.map(keys.get('eject')?.value, `${path}.eject`, EJECT_KEYS);
  const ejectAfter = reader.number(eject.get('after'), `${path}.eject.after`, 0);
  const ejectFor = reader.duration(eject.get('for'), `${path}.eject.for`);
  const timeouts = readTimeouts(reader, keys.get('timeouts'), `${path}.timeouts`);
  const drainTimeout = reader.duration(keys.get('drain_timeout'), `${path}.drain_timeout`);
  const offload = reader.oneOf(keys.get('offload'), `${path}.offload`, OFFLOAD_MODES);
  const input: BalancingInput = {
    ...(scheduler === undefined ? {} : { scheduler }),
    ...weights.combined,
    ...affinity,
    ...(prefer === undefined ? {} : { prefer }),
    ...(slowStart === undefined ? {} : { slowStart }),
    ...(maxConns === undefined ? {} : { maxConns }),
    ...(ejectAfter === undefined ? {} : { ejectAfter }),
    ...(ejectFor === undefined ? {} : { ejectFor }),
    ...(timeouts === undefined ? {} : { timeouts }),
    ...(drainTimeout === undefined ? {} : { drainTimeout }),
    ...(offload === undefined ? {} : { offload }),
  };
  return { input, lines: new Map([['balancing', entry.line], ...linesOf(keys), ...weights.lines]) };
}

type Lines = (readonly [path: string, line: number])[];

/** Of every option but weights. */
function linesOf(keys: ReadonlyMap<string, YamlEntry>): Lines {
  return [...keys].flatMap(([key, { line, value }]): Lines => {
    const nested = value.kind === 'map' ? [...value.entries.values()] : [];
    if (key === 'timeouts') return [['balancing.timeouts', line], ...nested.map((each) => [`balancing.timeouts.${each.key}`, each.line] as const)];
    if (key === 'eject') return nested.map((each) => [`balancing.${each.key === 'for' ? 'ejectFor' : 'ejectAfter'}`, each.line]);
    if (key === 'affinity') return [['balancing.affinity', line], ['balancing.affinityTimeout', line]];
    return [[`balancing.${camelCase(key)}`, line]];
  });
}

interface ReadWeights {
  readonly combined: Partial<Pick<BalancingSpec, 'weight' | 'slotWeights'>>;
  readonly lines: Lines;
}

/** `5`, `[2=5]`, or `{ default: 1, 2: 5 }`. */
function readWeights(reader: Reader, entry: YamlEntry | undefined, path: string, replicas: number): ReadWeights {
  if (!entry || isNull(entry.value)) return { combined: {}, lines: [] };
  const lines: Lines = [['balancing.slotWeights', entry.line]];
  const weights = weightTexts(reader, entry, path).flatMap(({ line, text }): Weight[] => {
    const weight = reader.attempt(line, path, () => parseWeight(text));
    if (weight === undefined) return [];
    lines.push([weight.slot === undefined ? 'balancing.weight' : `balancing.slotWeights.${weight.slot}`, line]);
    const problem = weight.slot === undefined ? undefined : slotProblem({ slotWeights: { [weight.slot]: weight.weight } }, replicas);
    if (problem !== undefined) reader.error(line, `${path}: ${problem}`);
    return [weight];
  });
  return { combined: combineWeights(weights), lines };
}

/** Each weight as on the command line. */
function weightTexts(reader: Reader, { line, value }: YamlEntry, path: string): { readonly line: number; readonly text: string }[] {
  if (value.kind === 'map') {
    return [...value.entries.values()].map((each) => {
      const weight = reader.text(each, `${path}.${each.key}`) ?? '';
      return { line: each.line, text: each.key === 'default' ? weight : `${each.key}=${weight}` };
    });
  }
  if (value.kind === 'list') return value.items.flatMap((item) => reader.strings({ ...value, items: [item] }, path).map((text) => ({ line: item.line, text })));
  const text = reader.scalar(value);
  return text === undefined ? [] : [{ line, text }];
}

/** `{ udp: 120s }`, or `udp=120s,icmp=60s`. */
function readTimeouts(reader: Reader, entry: YamlEntry | undefined, path: string): Partial<FlowTimeouts> | undefined {
  if (!entry || isNull(entry.value)) return undefined;
  if (entry.value.kind === 'scalar') {
    const text = reader.text(entry, path);
    return text === undefined ? undefined : reader.attempt(entry.line, path, () => parseTimeouts(text));
  }
  const durations = [...reader.map(entry.value, path, TIMEOUT_KEYS).values()].flatMap((each) => {
    const duration = reader.duration(each, `${path}.${each.key}`);
    return duration === undefined ? [] : [[each.key, duration]];
  });
  return Object.fromEntries(durations) as Partial<FlowTimeouts>;
}
