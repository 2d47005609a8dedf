/** Options that may be given once for each IP family. */
import { ValidationError } from '../../overlay/model/errors.js';

export interface ByFamily {
  readonly ipv4?: string;
  readonly ipv6?: string;
}

/** Subnets or addresses; what is neither is left to whoever looks at the IPv4 one. Throws ValidationError for two of a family. */
export function byFamily(option: string, texts: readonly string[]): ByFamily {
  const ipv6 = texts.filter((text) => text.includes(':'));
  const ipv4 = texts.filter((text) => !text.includes(':'));
  for (const [family, list] of [['IPv4', ipv4], ['IPv6', ipv6]] as const) {
    if (list.length > 1) throw new ValidationError(`${option} is given ${list.length} times for ${family} (${list.join(', ')}): give one of each family`);
  }
  return { ...(ipv4[0] !== undefined && { ipv4: ipv4[0] }), ...(ipv6[0] !== undefined && { ipv6: ipv6[0] }) };
}
