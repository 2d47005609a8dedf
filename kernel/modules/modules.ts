/**
 * Where the running kernel has a module, if anywhere, and what helps when something does not work for want of one. What lacks it is the
 * caller's to say. A module that is there is loaded by whoever needs it as a rule, but not in a container or a user namespace.
 */
import fs from 'node:fs';
import os from 'node:os';

/** `not known`: not loaded, and the modules of this kernel are not here, as in a container. */
export type ModuleState = 'built in' | 'loaded' | 'loadable' | 'not there' | 'not known';

/** Text of a file, undefined without it. */
export type ReadText = (path: string) => string | undefined;

function readText(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** By proc(5) and the lists that depmod(8) makes. `name` with underscores, as /proc/modules has it. */
export function moduleState(name: string, read: ReadText = readText, release = os.release()): ModuleState {
  const loaded = read('/proc/modules');
  if (loaded?.split('\n').some((line) => line.startsWith(`${name} `)) === true) return 'loaded';
  const [builtIn, others] = ['modules.builtin', 'modules.dep'].map((list) => read(`${directoryOf(release)}/${list}`));
  if (lists(builtIn, name)) return 'built in';
  // Such a kernel takes none (CONFIG_MODULES is off).
  if (loaded === undefined) return 'not there';
  if (others === undefined) return 'not known';
  return lists(others, name) ? 'loadable' : 'not there';
}

function directoryOf(release: string): string {
  return `/lib/modules/${release}`;
}

/** Lines such as `kernel/net/netfilter/ipvs/ip_vs.ko.xz: …`; a file may have a hyphen for an underscore. */
function lists(list: string | undefined, name: string): boolean {
  return list?.split('\n').some((line) => (/([^/:]+)\.ko(?:\.\w+)?(?::|$)/.exec(line)?.[1] ?? '').replaceAll('-', '_') === name) === true;
}

export interface ModuleLack {
  readonly reason: string;
  readonly remedy: string;
}

export interface ModuleLackOptions {
  /** What else helps: `use --offload-driver nft`. */
  readonly otherwise?: string;
  readonly state?: (name: string) => ModuleState;
  readonly release?: string;
}

/** Why `what` does not work (a clause, as `this kernel has no IPVS`), given that it needs these modules. */
export function moduleLack(what: string, names: readonly string[], { otherwise, state = moduleState, release = os.release() }: ModuleLackOptions = {}): ModuleLack {
  const states = names.map((name) => ({ name, is: state(name) }));
  const those = (is: ModuleState): string[] => states.filter((one) => one.is === is).map(({ name }) => name);
  const or = otherwise === undefined ? '' : `, or ${otherwise}`;
  const absent = those('not there');
  if (absent.length > 0) return { reason: `${what}: ${listed(absent)} not there for Linux ${release}`, remedy: `use a kernel that has ${absent.join(', ')}${or}` };
  const unknown = those('not known');
  if (unknown.length > 0) {
    const reason = `${what}: ${listed(unknown)} not loaded, and ${directoryOf(release)} is not here`;
    return { reason, remedy: `in a container, \`modprobe -a ${unknown.join(' ')}\` on its host, else install the modules of this kernel${or}` };
  }
  const loadable = those('loadable');
  if (loadable.length > 0) return { reason: `${what}: ${listed(loadable)} not loaded`, remedy: `\`modprobe -a ${loadable.join(' ')}\` as root${or}` };
  return { reason: `${what}, though ${states.map(({ name, is }) => `${name} is ${is}`).join(', ')}`, remedy: `see \`dmesg\` for what the kernel says${or}` };
}

function listed(names: readonly string[]): string {
  return names.length === 1 ? `the module ${names[0]!} is` : `the modules ${names.join(', ')} are`;
}
