/** The options that `service create` and `service update` share, and what they say of a task. */
import { parseDuration } from '../../../overlay/model/duration.js';
import type { EndpointMode, HealthCheckSpec, RestartPolicy } from '../../../overlay/model/spec.js';
import type { HealthCheckInput } from '../../api/inputs.js';
import { UsageError } from '../command.js';
import type { OptionSpec } from '../command.js';
import { wholeNumber } from '../values.js';

export interface HealthOptions {
  readonly healthCmd?: string;
  readonly healthInterval?: number;
  readonly healthTimeout?: number;
  readonly healthRetries?: number;
  readonly healthStartPeriod?: number;
  /** False with --no-healthcheck. */
  readonly healthcheck?: boolean;
}

export interface RestartOptions {
  readonly restartCondition?: RestartPolicy['condition'];
  readonly restartDelay?: number;
  readonly restartMaxAttempts?: number;
}

export interface TaskOptions extends HealthOptions, RestartOptions {
  readonly replicas?: number;
  readonly endpointMode?: EndpointMode;
  readonly stopGracePeriod?: number;
  readonly workdir?: string;
}

/** @param defaults whether the help shows what applies when an option is left out (not so for an update) */
export function taskOptions(defaults: boolean): OptionSpec[] {
  const shown = (text: string): { shown?: string } => (defaults ? { shown: text } : {});
  return [
    { flags: '--replicas <n>', about: 'how many tasks', parse: wholeNumber(0), ...shown('1') },
    { flags: '--endpoint-mode <mode>', about: 'vip: the name is one virtual address; dnsrr: it is the address of every task', choices: ['vip', 'dnsrr'], ...shown('vip') },
    { flags: '-w, --workdir <path>', about: 'where the command starts, among the host\'s files and with the agent\'s rights', ...shown('/') },
    { flags: '--stop-grace-period <duration>', about: 'how long a task has from SIGTERM to SIGKILL', parse: parseDuration, ...shown('10s') },
    { flags: '--health-cmd <command>', about: 'run by sh -c in the task; exit code 0 is healthy' },
    { flags: '--health-interval <duration>', about: 'between two checks', parse: parseDuration, ...shown('30s') },
    { flags: '--health-timeout <duration>', about: 'longest time of one check', parse: parseDuration, ...shown('30s') },
    { flags: '--health-retries <n>', about: 'failures in a row after which a task is replaced', parse: wholeNumber(1), ...shown('3') },
    { flags: '--health-start-period <duration>', about: 'failures in this time after the start do not count', parse: parseDuration, ...shown('0s') },
    { flags: '--no-healthcheck', about: defaults ? 'no health check, as without --health-cmd' : 'remove the health check' },
    { flags: '--restart-condition <when>', about: 'when a task that ended is replaced', choices: ['any', 'on-failure', 'none'], ...shown('any') },
    { flags: '--restart-delay <duration>', about: 'before the first restart; doubles with each failure in a row, up to 30s', parse: parseDuration, ...shown('1s') },
    { flags: '--restart-max-attempts <n>', about: 'give up after so many restarts', parse: wholeNumber(1), ...shown('no limit') },
  ];
}

/**
 * The health check that results from `before` and the options: undefined when there is none. Throws UsageError for options
 * that have no check to apply to.
 */
export function healthCheckOf(options: HealthOptions, before?: HealthCheckSpec): HealthCheckInput | undefined {
  const { healthCmd, healthInterval, healthTimeout, healthRetries, healthStartPeriod } = options;
  const changes = {
    ...(healthInterval === undefined ? {} : { interval: healthInterval }),
    ...(healthTimeout === undefined ? {} : { timeout: healthTimeout }),
    ...(healthRetries === undefined ? {} : { retries: healthRetries }),
    ...(healthStartPeriod === undefined ? {} : { startPeriod: healthStartPeriod }),
  };
  if (options.healthcheck === false) {
    if (healthCmd !== undefined || Object.keys(changes).length > 0) throw new UsageError('--no-healthcheck conflicts with the other --health options');
    return undefined;
  }
  const command = healthCmd === undefined ? before?.command : ['sh', '-c', healthCmd];
  if (command === undefined) {
    if (Object.keys(changes).length > 0) throw new UsageError('the --health options need a check to apply to', 'add --health-cmd, for example --health-cmd \'curl -sf localhost\'');
    return undefined;
  }
  return { ...before, ...changes, command };
}

export function restartOf(options: RestartOptions, before?: RestartPolicy): Partial<RestartPolicy> | undefined {
  const { restartCondition, restartDelay, restartMaxAttempts } = options;
  const changed = {
    ...before,
    ...(restartCondition === undefined ? {} : { condition: restartCondition }),
    ...(restartDelay === undefined ? {} : { delay: restartDelay }),
    ...(restartMaxAttempts === undefined ? {} : { maxAttempts: restartMaxAttempts }),
  };
  return Object.keys(changed).length === 0 ? undefined : changed;
}

/** What follows `--`, or the first operand: the command, without the `--` itself. */
export function commandWords(words: string | readonly string[] | undefined): string[] {
  const list = typeof words === 'string' ? [words] : [...(words ?? [])];
  return list[0] === '--' ? list.slice(1) : list;
}
