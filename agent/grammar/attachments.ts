/** Pairs and network attachments as users write them on a command line. */
import { ValidationError } from '../../overlay/model/errors.js';
import type { NetworkAttachment } from '../../overlay/model/spec.js';

/** `KEY=VALUE`. `KEY` alone takes the value from `environment`, as Docker does, and is left out when it is not set there. */
export function parsePairs(list: readonly string[], environment: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const text of list) {
    const equals = text.indexOf('=');
    const key = equals < 0 ? text : text.slice(0, equals);
    if (key === '') throw new ValidationError(`'${text}' has no name: write KEY=VALUE`);
    const value = equals < 0 ? environment[key] : text.slice(equals + 1);
    if (value !== undefined) pairs[key] = value;
  }
  return pairs;
}

/** Labels: `KEY` alone is a label without a value. */
export function parseLabels(list: readonly string[]): Record<string, string> {
  return parsePairs(list.map((text) => (text.includes('=') ? text : `${text}=`)));
}

/** `overlay1`, or `name=overlay1,alias=web,alias=www`. Throws ValidationError. */
export function parseAttachment(text: string): NetworkAttachment {
  if (!text.includes('=')) {
    if (text === '') throw new ValidationError('a network needs a name: write --network overlay1');
    return { network: text, aliases: [] };
  }
  let network: string | undefined;
  const aliases: string[] = [];
  for (const part of text.split(',')) {
    const [key, value = ''] = part.split('=', 2);
    if (key === 'name') network = value;
    else if (key === 'alias') aliases.push(value);
    else throw new ValidationError(`'${part}' in network '${text}': use name= and alias=`);
  }
  if (network === undefined || network === '') throw new ValidationError(`network '${text}' needs name=`);
  return { network, aliases };
}

/** Gives every attachment the further names in `aliases`, once each. */
export function withAliases(attachments: readonly NetworkAttachment[], aliases: readonly string[]): NetworkAttachment[] {
  return attachments.map(({ network, aliases: own }) => ({ network, aliases: [...new Set([...own, ...aliases])] }));
}
