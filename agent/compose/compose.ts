/**
 * A compose file as a stack: text in, StackRequest and warnings out. What the file says of a service is read in
 * service.ts; here are the networks and the names.
 *
 * Names are Docker's: a service is STACK_SERVICE, with SERVICE as an alias on each of its networks; a network is
 * STACK_NETWORK unless it has a `name` or is external. `x-vipmesh: { prefix: false }` at the top keeps names as written.
 */
import { driverOption, type DriverOptions } from '../grammar/driver-options.js';
import { ValidationError } from '../../overlay/model/errors.js';
import { STACK_LABEL, STACK_SERVICE_LABEL } from '../../overlay/model/spec.js';
import type { NetworkAttachment, NetworkSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { validateNetworkSpec, validateServiceSpec } from '../../overlay/model/validate.js';
import type { StackRequest } from '../control.js';
import type { NetworkInput, ServiceInput } from '../api/inputs.js';
import { didYouMean } from '../grammar/closest.js';
import { IPAM_CONFIG_KEYS, IPAM_KEYS, NETWORK_KEYS, TOP_KEYS } from './keys.js';
import { Reader, USED } from './reader.js';
import type { Note } from './reader.js';
import { readService } from './service.js';
import { parseYaml, YamlError } from './yaml.js';
import type { YamlEntry, YamlValue } from './yaml.js';

/** Everything that is wrong with the file, each as `compose.yaml:12: …`, one to a line of the message. */
export class ComposeError extends Error {
  override readonly name = 'ComposeError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

export interface ComposeOptions {
  readonly stack: string;
  /** Name of the file, for messages. */
  readonly file: string;
  /** For ${VARIABLES} and for environment keys without a value. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface ComposeResult {
  readonly request: StackRequest;
  /** Each as `compose.yaml:12: …`. */
  readonly warnings: readonly string[];
}

/** Throws ComposeError. */
export function parseCompose(text: string, options: ComposeOptions): ComposeResult {
  const reader = new Reader(options.environment);
  const request = new StackBuilder(reader, options.stack).build(parse(text, options.file));
  const shown = (notes: readonly Note[]): string[] => [...notes].sort((a, b) => a.line - b.line).map(({ line, message }) => `${options.file}:${line}: ${message}`);
  if (reader.errors.length > 0) throw new ComposeError(shown(reader.errors));
  return { request, warnings: shown(reader.warnings) };
}

function parse(text: string, file: string): YamlValue {
  try {
    return parseYaml(text);
  } catch (error) {
    if (error instanceof YamlError) throw new ComposeError([`${file}:${error.line}: ${error.message}`]);
    throw error;
  }
}

/** The key in the file of the network that services without `networks` are on. */
const DEFAULT_NETWORK = 'default';

interface ComposeNetwork {
  readonly line: number;
  /** What the network is called outside of the file. */
  readonly name: string;
  /** Absent for an external network, which is there already. */
  readonly spec?: NetworkInput;
}

type Ipam = Pick<NetworkInput, 'subnet' | 'gateway' | 'subnet6' | 'gateway6'>;

class StackBuilder {
  #prefix = true;
  readonly #networks = new Map<string, ComposeNetwork>();

  constructor(
    readonly reader: Reader,
    readonly stack: string,
  ) {}

  build(file: YamlValue): StackRequest {
    const top = this.reader.map(file, '', TOP_KEYS);
    this.#readExtension(top.get('x-vipmesh'));
    for (const entry of this.reader.anyMap(top.get('networks')?.value, 'networks')?.entries.values() ?? []) {
      this.#networks.set(entry.key, this.#readNetwork(entry));
    }
    const entries = [...(this.reader.anyMap(top.get('services')?.value, 'services')?.entries.values() ?? [])];
    if (entries.length === 0) this.reader.error(top.get('services')?.line ?? file.line, "there are no services: a compose file needs 'services:' with at least one");
    const services = entries.flatMap((entry) => this.#service(entry) ?? []);
    return { networks: this.#networkSpecs(), services };
  }

  #readExtension(entry: YamlEntry | undefined): void {
    const keys = this.reader.map(entry?.value, 'x-vipmesh', { prefix: USED });
    this.#prefix = this.reader.boolean(keys.get('prefix'), 'x-vipmesh.prefix') ?? true;
  }

  #name(key: string): string {
    return this.#prefix ? `${this.stack}_${key}` : key;
  }

  #readNetwork(entry: YamlEntry): ComposeNetwork {
    const { reader } = this;
    const path = `networks.${entry.key}`;
    const keys = reader.map(entry.value, path, NETWORK_KEYS);
    const external = this.#readExternal(keys.get('external'), `${path}.external`);
    const ownName = reader.text(keys.get('name'), `${path}.name`) ?? external.name;
    if (external.is) return { line: entry.line, name: ownName ?? entry.key };
    const driver = reader.text(keys.get('driver'), `${path}.driver`);
    if (driver !== undefined && driver !== 'overlay') reader.warn(keys.get('driver')?.line ?? entry.line, `${path}.driver '${driver}' is not supported: the network is an overlay network`);
    const name = ownName ?? this.#name(entry.key);
    const internal = reader.boolean(keys.get('internal'), `${path}.internal`) ?? false;
    const ipv6 = reader.boolean(keys.get('enable_ipv6'), `${path}.enable_ipv6`) ?? false;
    const labels = { ...reader.pairs(keys.get('labels'), `${path}.labels`, () => ''), [STACK_LABEL]: this.stack };
    const options = this.#readDriverOptions(keys.get('driver_opts'), `${path}.driver_opts`);
    return { line: entry.line, name, spec: { name, driver: 'overlay', ipv6, internal, labels, ...options, ...this.#readIpam(keys.get('ipam'), `${path}.ipam`) } };
  }

  #readDriverOptions(entry: YamlEntry | undefined, path: string): DriverOptions {
    let options: DriverOptions = {};
    for (const [name, value] of Object.entries(this.reader.pairs(entry, path, () => ''))) {
      const line = entry?.line ?? 0;
      this.reader.attempt(line, path, () => {
        const said = driverOption(name, value);
        if (said) options = { ...options, ...said };
        else this.reader.warn(line, `${path}.${name} is not supported and ignored`);
      });
    }
    return options;
  }

  /** `external: true`, and the older `external: { name: x }`. */
  #readExternal(entry: YamlEntry | undefined, path: string): { is: boolean; name?: string } {
    if (entry?.value.kind !== 'map') return { is: this.reader.boolean(entry, path) === true };
    const name = this.reader.text(this.reader.map(entry.value, path, { name: USED }).get('name'), `${path}.name`);
    return name === undefined ? { is: true } : { is: true, name };
  }

  /** One subnet of each family, with its gateway. */
  #readIpam(entry: YamlEntry | undefined, path: string): Ipam {
    const config = this.reader.map(entry?.value, path, IPAM_KEYS).get('config');
    if (!config) return {};
    if (config.value.kind !== 'list') return this.reader.error(config.line, `${path}.config must be a list`) ?? {};
    const found: Record<string, string> = {};
    for (const item of config.value.items) {
      const keys = this.reader.map(item, `${path}.config`, IPAM_CONFIG_KEYS);
      const subnet = this.reader.text(keys.get('subnet'), `${path}.config.subnet`);
      const gateway = this.reader.text(keys.get('gateway'), `${path}.config.gateway`);
      const family = (subnet ?? gateway ?? '').includes(':') ? '6' : '';
      if (`subnet${family}` in found || `gateway${family}` in found) {
        this.reader.warn(item.line, `${path}.config has several subnets for IPv${family === '' ? 4 : 6}: only the first is used`);
        continue;
      }
      if (subnet !== undefined) found[`subnet${family}`] = subnet;
      if (gateway !== undefined) found[`gateway${family}`] = gateway;
    }
    return found;
  }

  #service(entry: YamlEntry): ServiceSpec | undefined {
    const toldBefore = this.reader.errors.length;
    const service = readService(this.reader, entry);
    const name = this.#name(service.key);
    const wanted = service.networks.length > 0 ? service.networks : [{ key: DEFAULT_NETWORK, line: service.line, aliases: [] }];
    const input: ServiceInput = {
      ...service.body,
      name,
      labels: { ...service.body.labels, [STACK_LABEL]: this.stack, [STACK_SERVICE_LABEL]: service.key },
      networks: wanted.flatMap(({ key, line, aliases }): NetworkAttachment[] => {
        const network = this.#networkName(key, line, service.key);
        const further = [...new Set([service.key, ...aliases])].filter((alias) => alias !== name);
        return network === undefined ? [] : [{ network, aliases: further }];
      }),
    };
    // A fault that has been told would only be told again, with a line that is less exact.
    if (this.reader.errors.length > toldBefore) return undefined;
    return this.#checked(service.line, `services.${service.key}`, () => validateServiceSpec(input), service.lines);
  }

  #networkName(key: string, line: number, service: string): string | undefined {
    const known = this.#networks.get(key);
    if (known) return known.name;
    if (key !== DEFAULT_NETWORK) {
      return this.reader.error(line, `services.${service} is on network '${key}', which 'networks:' does not have${didYouMean(key, this.#networks.keys())}`);
    }
    const name = this.#name(DEFAULT_NETWORK);
    this.#networks.set(DEFAULT_NETWORK, { line, name, spec: { name, driver: 'overlay', internal: false, labels: { [STACK_LABEL]: this.stack } } });
    return name;
  }

  #networkSpecs(): NetworkSpec[] {
    return [...this.#networks].flatMap(([key, { line, spec }]) => {
      const checked = spec && this.#checked(line, `networks.${key}`, () => validateNetworkSpec(spec));
      return checked === undefined ? [] : [checked];
    });
  }

  /** @param lines of what is inside, by the path of an issue or of what contains it */
  #checked<T>(line: number, path: string, validate: () => T, lines: ReadonlyMap<string, number> = new Map()): T | undefined {
    try {
      return validate();
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      for (const issue of error.issues) this.reader.error(lineIn(lines, issue.path) ?? line, `${path}: ${issue.message}`);
      return undefined;
    }
  }
}

/** The line of `path`, or of the nearest thing around it that has one. */
function lineIn(lines: ReadonlyMap<string, number>, path: string): number | undefined {
  const around = path.lastIndexOf('.');
  return lines.get(path) ?? (around < 0 ? undefined : lineIn(lines, path.slice(0, around)));
}
