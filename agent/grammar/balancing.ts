/**
 * How balancing is written on a command line and in a compose file: `2=5`, `client-ip,timeout=3h`, `udp=120s,icmp=60s`.
 * Whether values are in their bounds is the model's to say.
 */
import { AFFINITIES, TIMEOUT_NAMES } from '../../overlay/model/balancing.js';
import { parseDuration } from '../../overlay/model/duration.js';
import { ValidationError } from '../../overlay/model/errors.js';
import type { BalancingSpec, FlowTimeouts } from '../../overlay/model/spec.js';
import { didYouMean } from './closest.js';

export type Affinity = Pick<BalancingSpec, 'affinity'> & Partial<Pick<BalancingSpec, 'affinityTimeout'>>;

/** Without a slot: of every replica that is not named. */
export interface Weight {
  readonly slot?: number;
  readonly weight: number;
}

/** `5`, `2=5`. Throws ValidationError. */
export function parseWeight(text: string): Weight {
  const match = /^(?:(?<slot>[0-9]{1,6})=)?(?<weight>[0-9]{1,9})$/.exec(text)?.groups;
  if (!match) throw new ValidationError(`'${text}' is not a weight: write WEIGHT for every replica, or SLOT=WEIGHT for one, such as 2=5`);
  const weight = Number(match['weight']);
  return match['slot'] === undefined ? { weight } : { slot: Number(match['slot']), weight };
}

/** What several weights come to. One without a slot counts for every replica, and what `before` gave to some ends with it. */
export function combineWeights(weights: readonly Weight[], before?: Pick<BalancingSpec, 'slotWeights'>): Partial<Pick<BalancingSpec, 'weight' | 'slotWeights'>> {
  const forAll = weights.findLast(({ slot }) => slot === undefined);
  const forOne = Object.fromEntries(weights.flatMap(({ slot, weight }) => (slot === undefined ? [] : [[slot, weight]])));
  if (forAll) return { weight: forAll.weight, slotWeights: forOne };
  return weights.length === 0 ? {} : { slotWeights: { ...before?.slotWeights, ...forOne } };
}

/** `none`, `client-ip`, `client-ip,timeout=3h`. Throws ValidationError. */
export function parseAffinity(text: string): Affinity {
  const [word = '', ...rest] = text.split(',');
  const affinity = AFFINITIES.find((name) => name === word);
  if (affinity === undefined) throw new ValidationError(`'${word}' is not one of ${AFFINITIES.join(', ')}`);
  const [timeout, ...more] = rest;
  if (timeout === undefined) return { affinity };
  if (affinity === 'none' || more.length > 0 || !timeout.startsWith('timeout=')) throw new ValidationError(`'${text}' is not an affinity: write none, client-ip, or client-ip,timeout=3h`);
  return { affinity, affinityTimeout: parseDuration(timeout.slice('timeout='.length)) };
}

/** `udp=300s,icmp=60s`. Throws ValidationError. */
export function parseTimeouts(text: string): Partial<FlowTimeouts> {
  return Object.fromEntries(
    text.split(',').map((part) => {
      const equals = part.indexOf('=');
      const word = equals < 0 ? part : part.slice(0, equals);
      const name = TIMEOUT_NAMES.find((known) => known === word);
      if (name === undefined) throw new ValidationError(`'${word}' is not one of ${TIMEOUT_NAMES.join(', ')}${didYouMean(word, TIMEOUT_NAMES)}`);
      if (equals < 0) throw new ValidationError(`'${part}' does not say how long: write ${name}=DURATION`);
      return [name, parseDuration(part.slice(equals + 1))];
    }),
  );
}
