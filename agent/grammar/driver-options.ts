/** Options of a network's driver, as `network create --opt NAME[=VALUE]` and `driver_opts` of a compose file have them. */
import { ValidationError } from '../../overlay/model/errors.js';

export interface DriverOptions {
  readonly encrypted?: true;
}

/** What one option says; undefined: it is none that is known. Throws ValidationError for a value that it cannot have. */
export function driverOption(name: string, value: string): DriverOptions | undefined {
  if (name !== 'encrypted') return undefined;
  // Docker takes the name alone, too.
  if (value === '' || value === 'true') return { encrypted: true };
  if (value === 'false') return {};
  throw new ValidationError(`encrypted: '${value}' is neither true nor false: leave the value out`);
}

/** `encrypted`, `encrypted=false`. Throws ValidationError, also for an option that is not known. */
export function parseDriverOptions(texts: readonly string[]): DriverOptions {
  let options: DriverOptions = {};
  for (const text of texts) {
    const equals = text.indexOf('=');
    const [name, value] = equals < 0 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
    const said = driverOption(name, value);
    if (!said) throw new ValidationError(`--opt ${name} is not known: the only one is encrypted`);
    options = { ...options, ...said };
  }
  return options;
}
