/** One service of a compose file, but for its names: what it runs, its ports, health check and deployment. */
import { parseExposed, parsePort } from '../../overlay/model/port.js';
import type { ExposedPort, PortSpec, RestartPolicy } from '../../overlay/model/spec.js';
import type { HealthCheckInput, ServiceInput } from '../api/inputs.js';
import { shellWords } from '../grammar/words.js';
import { readBalancing, type ComposeBalancing } from './balancing.js';
import { readDeployment } from './deployment.js';
import { ATTACHMENT_KEYS, DEPLOY_KEYS, HEALTH_KEYS, PORT_KEYS, RESTART_KEYS, SERVICE_KEYS } from './keys.js';
import { isNull } from './reader.js';
import type { Reader } from './reader.js';
import type { YamlEntry, YamlValue } from './yaml.js';

/** Networks by the key that they have in the file. */
export interface ComposeService {
  readonly key: string;
  readonly line: number;
  /** Of what has a line that is more exact, by the path that the model calls it by. */
  readonly lines: ReadonlyMap<string, number>;
  readonly networks: readonly { readonly key: string; readonly line: number; readonly aliases: readonly string[] }[];
  /** Without name and networks, which depend on the stack. */
  readonly body: Omit<ServiceInput, 'name' | 'networks'>;
}

export function readService(reader: Reader, entry: YamlEntry): ComposeService {
  const path = `services.${entry.key}`;
  const keys = reader.map(entry.value, path, SERVICE_KEYS);
  const deploy = reader.map(keys.get('deploy')?.value, `${path}.deploy`, DEPLOY_KEYS);
  const deployment = readDeployment(reader, deploy, `${path}.deploy`);
  const replicas = reader.number(deploy.get('replicas'), `${path}.deploy.replicas`, 0);
  const endpointMode = reader.oneOf(deploy.get('endpoint_mode'), `${path}.deploy.endpoint_mode`, ['vip', 'dnsrr'] as const);
  const restart = readRestart(reader, deploy.get('restart_policy'), `${path}.deploy.restart_policy`);
  const healthcheck = readHealthCheck(reader, keys.get('healthcheck'), `${path}.healthcheck`);
  const workdir = reader.text(keys.get('working_dir'), `${path}.working_dir`);
  const stopGracePeriod = reader.duration(keys.get('stop_grace_period'), `${path}.stop_grace_period`);
  const balancing = readExtension(reader, keys.get('x-vipmesh'), deploy.get('x-vipmesh'), path, replicas ?? 1);
  const expose = readExposed(reader, keys.get('expose'), `${path}.expose`);
  const noLabelValue = (): string => '';
  return {
    key: entry.key,
    line: entry.line,
    lines: new Map([...deployment.lines, ...(balancing?.lines ?? [])]),
    networks: readAttachments(reader, keys.get('networks'), `${path}.networks`),
    body: {
      labels: { ...reader.pairs(keys.get('labels'), `${path}.labels`, noLabelValue), ...reader.pairs(deploy.get('labels'), `${path}.deploy.labels`, noLabelValue) },
      task: {
        command: readCommand(reader, keys.get('command'), entry.line, path),
        env: reader.pairs(keys.get('environment'), `${path}.environment`, (key) => reader.variables[key]),
        ...(workdir === undefined ? {} : { workdir }),
        ...(healthcheck === undefined ? {} : { healthcheck }),
        ...(stopGracePeriod === undefined ? {} : { stopGracePeriod }),
      },
      ports: readPorts(reader, keys.get('ports'), `${path}.ports`),
      ...(expose.length === 0 ? {} : { expose }),
      ...(replicas === undefined ? {} : { replicas }),
      ...(endpointMode === undefined ? {} : { endpointMode }),
      ...(restart === undefined ? {} : { restart }),
      ...(balancing === undefined ? {} : { balancing: balancing.input }),
      ...deployment.input,
    },
  };
}

/** In either of its two places. */
function readExtension(reader: Reader, below: YamlEntry | undefined, inDeploy: YamlEntry | undefined, path: string, replicas: number): ComposeBalancing | undefined {
  if (below && inDeploy) return reader.error(inDeploy.line, `${path} has x-vipmesh, and so has its deploy: write it in one place`);
  return readBalancing(reader, below ?? inDeploy, inDeploy ? `${path}.deploy.x-vipmesh` : `${path}.x-vipmesh`, replicas);
}

function readCommand(reader: Reader, entry: YamlEntry | undefined, line: number, path: string): string[] {
  const value = entry && !isNull(entry.value) ? reader.stringOrList(entry.value, `${path}.command`) : undefined;
  if (entry !== undefined && value === undefined && !isNull(entry.value)) return []; // told already
  const words = typeof value === 'string' ? reader.attempt(entry?.line ?? line, `${path}.command`, () => shellWords(value)) : (value ?? []);
  if (words?.length === 0) reader.error(entry?.line ?? line, `${path} has no command: say what its tasks run, for example command: python3 -m http.server 80`);
  return words ?? [];
}

function readAttachments(reader: Reader, entry: YamlEntry | undefined, path: string): ComposeService['networks'] {
  if (!entry || isNull(entry.value)) return [];
  if (entry.value.kind === 'list') {
    return entry.value.items.flatMap((item) => {
      const key = item.kind === 'scalar' ? reader.scalar(item) : reader.error(item.line, `${path} must be a list of names`);
      return key === undefined ? [] : [{ key, line: item.line, aliases: [] }];
    });
  }
  return [...(reader.anyMap(entry.value, path)?.entries.values() ?? [])].map(({ key, line, value }) => {
    const attachment = reader.map(value, `${path}.${key}`, ATTACHMENT_KEYS);
    return { key, line, aliases: reader.strings(attachment.get('aliases')?.value, `${path}.${key}.aliases`) };
  });
}

function readPorts(reader: Reader, entry: YamlEntry | undefined, path: string): PortSpec[] {
  if (!entry || isNull(entry.value)) return [];
  if (entry.value.kind !== 'list') return reader.error(entry.line, `${path} must be a list`) ?? [];
  return entry.value.items.flatMap((item) => {
    const text = item.kind === 'scalar' ? reader.scalar(item) : longPort(reader, item, path);
    return text === undefined ? [] : (reader.attempt(item.line, path, () => parsePort(text)) ?? []);
  });
}

function readExposed(reader: Reader, entry: YamlEntry | undefined, path: string): ExposedPort[] {
  return reader.strings(entry?.value, path).flatMap((text) => reader.attempt(entry?.line ?? 0, path, () => parseExposed(text)) ?? []);
}

/** The same port in the command line's long syntax, which has one parser. */
function longPort(reader: Reader, item: YamlValue, path: string): string | undefined {
  const keys = reader.map(item, path, PORT_KEYS);
  const fields = [['target', 'target'], ['published', 'published'], ['protocol', 'protocol'], ['mode', 'mode'], ['host_ip', 'address'], ['x-proxy-protocol', 'proxy-protocol']] as const;
  const parts = fields.flatMap(([key, name]) => {
    const text = reader.text(keys.get(key), `${path}.${key}`);
    return text === undefined ? [] : [`${name}=${text}`];
  });
  return keys.has('target') ? parts.join(',') : reader.error(item.line, `${path}: a port needs target, the port in the task`);
}

function readHealthCheck(reader: Reader, entry: YamlEntry | undefined, path: string): HealthCheckInput | undefined {
  if (!entry) return undefined;
  const keys = reader.map(entry.value, path, HEALTH_KEYS);
  const interval = reader.duration(keys.get('interval'), `${path}.interval`);
  const timeout = reader.duration(keys.get('timeout'), `${path}.timeout`);
  const retries = reader.number(keys.get('retries'), `${path}.retries`, 1);
  const startPeriod = reader.duration(keys.get('start_period'), `${path}.start_period`);
  const test = keys.get('test');
  if (reader.boolean(keys.get('disable'), `${path}.disable`) === true) return undefined;
  if (!test) return reader.error(entry.line, `${path} has no test: add for example test: curl -sf localhost`);
  const command = healthCommand(reader, test, `${path}.test`);
  if (command === undefined) return undefined;
  return {
    command,
    ...(interval === undefined ? {} : { interval }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(retries === undefined ? {} : { retries }),
    ...(startPeriod === undefined ? {} : { startPeriod }),
  };
}

/** A text runs in a shell; a list says in its first element how it is meant. Undefined for NONE, and for a fault. */
function healthCommand(reader: Reader, entry: YamlEntry, path: string): string[] | undefined {
  const test = reader.stringOrList(entry.value, path);
  if (test === undefined) return undefined;
  if (typeof test === 'string') return ['sh', '-c', test];
  const [how, ...words] = test;
  if (how === 'NONE' && words.length === 0) return undefined;
  if (how === 'CMD' && words.length > 0) return words;
  if (how === 'CMD-SHELL' && words.length === 1) return ['sh', '-c', words[0] ?? ''];
  return reader.error(entry.line, `${path} must be a text, [CMD, program, argument…], [CMD-SHELL, command] or [NONE]`);
}

function readRestart(reader: Reader, entry: YamlEntry | undefined, path: string): Partial<RestartPolicy> | undefined {
  if (!entry) return undefined;
  const keys = reader.map(entry.value, path, RESTART_KEYS);
  const condition = reader.oneOf(keys.get('condition'), `${path}.condition`, ['any', 'on-failure', 'none'] as const);
  const delay = reader.duration(keys.get('delay'), `${path}.delay`);
  const maxAttempts = reader.number(keys.get('max_attempts'), `${path}.max_attempts`, 0);
  return {
    ...(condition === undefined ? {} : { condition }),
    ...(delay === undefined ? {} : { delay }),
    // 0 is compose's word for no limit.
    ...(maxAttempts === undefined || maxAttempts === 0 ? {} : { maxAttempts }),
  };
}
