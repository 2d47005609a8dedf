/**
 * Which names are allowed, as pure questions: each answers what is wrong and what to do, or undefined.
 */
import { isId } from './id.js';

/** Name of the network that carries published ports. */
export const INGRESS = 'ingress';

const NETWORK_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;
const LABEL = /^[a-zA-Z0-9](?:[a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?$/;

export function networkNameProblem(name: string): string | undefined {
  if (!NETWORK_NAME.test(name)) return `'${name}' is not a network name: use 1 to 63 letters, digits, '_', '.' or '-', and begin with a letter or digit`;
  if (name === INGRESS) return `'${INGRESS}' is the network that carries published ports: choose another name`;
  return idProblem(name);
}

/** Services, one-off tasks and aliases: a name that DNS can carry as one label (RFC 1035 §2.3.4), '_' allowed as well. */
export function labelProblem(name: string): string | undefined {
  if (name.includes('.')) return `'${name}' has a dot: names are single DNS labels; use '-' instead`;
  if (!LABEL.test(name)) return `'${name}' is not a DNS label: use 1 to 63 letters, digits, '-' or '_', and begin and end with a letter or digit`;
  return idProblem(name);
}

/** A reference to a network: its name or its id. */
export function networkRefProblem(ref: string): string | undefined {
  if (ref === INGRESS) return `'${INGRESS}' cannot be joined by name: services with published ports join it by themselves`;
  return isId(ref) ? undefined : networkNameProblem(ref);
}

function idProblem(name: string): string | undefined {
  return isId(name) ? `'${name}' looks like an id (12 hexadecimal digits): choose another name` : undefined;
}
