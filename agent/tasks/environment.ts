/**
 * The environment of a process in a task: what it was given and a minimal base, nothing else of the agent's own.
 */
import { TaskStartError } from './start-error.js';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface EnvironmentOptions {
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly terminal: boolean;
  /** The agent's environment. A task runs the host's programs, so it finds them where the agent does. */
  readonly host: NodeJS.ProcessEnv;
}

/** Throws TaskStartError when a name or value cannot be in an environment. */
export function taskEnvironment({ id, env, terminal, host }: EnvironmentOptions): Record<string, string> {
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || /[=\0]/.test(name) || value.includes('\0')) {
      throw new TaskStartError(`environment variable ${JSON.stringify(name)}: a name needs at least one character and no '=', and neither name nor value may have a NUL`, 125);
    }
  }
  return {
    PATH: withoutNpm(host.PATH ?? DEFAULT_PATH),
    HOME: host.HOME ?? '/',
    ...(host.LANG !== undefined && { LANG: host.LANG }),
    ...(terminal && { TERM: 'xterm' }),
    HOSTNAME: id,
    ...env,
  };
}

/** npm puts directories of its own in front of the PATH of what it starts. A service must not depend on who started the agent. */
function withoutNpm(path: string): string {
  return path
    .split(':')
    .filter((directory) => !/\/node_modules\/\.bin$|\/node-gyp-bin$/.test(directory))
    .join(':');
}

/**
 * `NAME=value` of the variables whose name is no shell identifier (`discovery.type`): dash drops these from what it hands on,
 * so they have to be given again behind it, with env(1).
 */
export function notForShells(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .filter(([name]) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
    .map(([name, value]) => `${name}=${value}`);
}
