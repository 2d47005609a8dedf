/**
 * Which mode an agent runs in: decided from facts (agent/lifecycle/facts.ts finds them), so that every refusal can be
 * tested as text. Says what is missing and what the user can do; starts nothing.
 */

/**
 * `root`: in the host's own namespaces. `rootless`: in a user namespace, behind an outer gateway process. `sockets`: in no namespace,
 * with nothing but sockets of the host.
 */
export type Mode = 'root' | 'rootless' | 'sockets';
export type ModeRequest = 'auto' | Mode;

/** No mode that was asked for can run here. The message has a line for each cause, with its remedy. */
export class ModeError extends Error {
  override readonly name = 'ModeError';
  constructor(
    message: string,
    readonly obstacles: readonly Obstacle[],
  ) {
    super(message);
  }
}

export interface Obstacle {
  /** What is missing, e.g. `/dev/net/tun is not readable by uid 65534`. */
  readonly cause: string;
  /** What the user can do, e.g. `chmod 0666 /dev/net/tun`. */
  readonly remedy: string;
}

/** A trial of the real thing. */
export type Trial = 'ok' | 'not tried' | { readonly failed: string; readonly code?: string | number };

export interface MissingTool {
  readonly tool: string;
  /** The Debian package that has it. */
  readonly package: string;
}

export interface HostFacts {
  readonly uid: number;
  /** Opening /dev/net/tun for reading and writing; `code` is the errno's name. */
  readonly tun: Trial;
  readonly missingTools: readonly MissingTool[];
  /** Names of the capabilities that root mode needs and this process does not have. */
  readonly missingCapabilities: readonly string[];
  /** Whether namespaces can be pinned in /run/netns and the socket made in /run. */
  readonly runWritable: boolean;
  /** A network and mount namespace as this user, with a veth pair in it. `code` is the exit code, see TRIAL. */
  readonly ownNamespaces: Trial;
  /** The same inside a new user namespace. */
  readonly userNamespaces: Trial;
  /** Absent on kernels that do not have them. */
  readonly sysctls: {
    readonly 'kernel.unprivileged_userns_clone'?: number;
    readonly 'user.max_user_namespaces'?: number;
    readonly 'user.max_net_namespaces'?: number;
    readonly 'kernel.apparmor_restrict_unprivileged_userns'?: number;
  };
}

/** Exit codes of the trial script in facts.ts, after the namespaces were made. */
export const TRIAL = { sysctlReadOnly: 42, noVeth: 43 } as const;

/** Why an agent cannot run here in mode root; empty when it can. The other mode is a remedy only where that can run. */
export function rootObstacles(facts: HostFacts): Obstacle[] {
  return obstaclesToRoot(facts, obstaclesToRootless(facts, false).length === 0);
}

/** Why an agent cannot run here in mode rootless; empty when it can. */
export function rootlessObstacles(facts: HostFacts): Obstacle[] {
  return obstaclesToRootless(facts, obstaclesToRoot(facts, false).length === 0);
}

/** What plain tasks are started by; the rest of the tools make namespaces. */
const SOCKETS_TOOLS = ['setpriv', 'setsid'];

/** Why an agent cannot run here in mode sockets; empty when it can. */
export function socketsObstacles(facts: HostFacts): Obstacle[] {
  return toolObstacles({ ...facts, missingTools: facts.missingTools.filter(({ tool }) => SOCKETS_TOOLS.includes(tool)) });
}

function obstaclesToRoot(facts: HostFacts, rootlessRuns: boolean): Obstacle[] {
  const orRootless = rootlessRuns ? ', or use --mode rootless' : '';
  if (facts.uid !== 0) {
    return [{ cause: `uid ${facts.uid} is not root`, remedy: `run it with sudo${orRootless}` }];
  }
  const obstacles = toolObstacles(facts);
  if (facts.missingCapabilities.length > 0) {
    obstacles.push({
      cause: `this root has no ${facts.missingCapabilities.join(' and no ')}`,
      remedy: 'start it outside the container, or give the container these capabilities (--privileged does)',
    });
  }
  if (!facts.runWritable) {
    obstacles.push({ cause: '/run is not writable, so no namespace can be pinned in /run/netns', remedy: `mount a tmpfs on /run${orRootless}` });
  }
  obstacles.push(...tunObstacles(facts));
  // A trial without the tools or the capabilities fails because of these, and would only repeat them.
  if (obstacles.length === 0) obstacles.push(...trialObstacles(facts.ownNamespaces, 'a network namespace', 'run it outside the container or sandbox that forbids it'));
  return obstacles;
}

function obstaclesToRootless(facts: HostFacts, rootRuns: boolean): Obstacle[] {
  const obstacles = [...toolObstacles(facts), ...tunObstacles(facts)];
  const forbidding = facts.userNamespaces === 'ok' ? [] : sysctlObstacles(facts);
  obstacles.push(...forbidding);
  const toolsAreThere = facts.missingTools.length === 0;
  if (forbidding.length === 0 && toolsAreThere) {
    const orRoot = facts.uid !== 0 ? ', or start vipmesh as root' : rootRuns ? ', or use --mode root' : '';
    obstacles.push(...trialObstacles(facts.userNamespaces, 'a user namespace', `allow user namespaces in the container or sandbox that forbids them${orRoot}`));
  }
  return obstacles;
}

/** The mode to run in; `note` says why it is not the one that auto would rather have had. Throws ModeError. */
export function decideMode(request: ModeRequest, facts: HostFacts): { readonly mode: Mode; readonly note?: string } {
  const obstaclesTo: Record<Mode, Obstacle[]> = { root: rootObstacles(facts), rootless: rootlessObstacles(facts), sockets: socketsObstacles(facts) };
  // For somebody who is not root, that root is needed for mode root is no news: the way to rootless is what helps.
  const wanted: readonly Mode[] = request !== 'auto' ? [request] : facts.uid === 0 ? ['root', 'rootless', 'sockets'] : ['rootless', 'sockets'];
  const mode = wanted.find((each) => obstaclesTo[each].length === 0);
  if (mode === undefined) {
    // What is in the way of sockets is in the way of the others, too, with more of its kind.
    const told = request === 'auto' ? wanted.filter((each) => each !== 'sockets') : wanted;
    throw modeError(request === 'auto' ? 'no mode can run here' : `mode ${request} cannot run here`, told.map((each) => obstaclesTo[each]).reduce(merge));
  }
  const passedOver = wanted.slice(0, wanted.indexOf(mode));
  if (passedOver.length === 0) return { mode };
  return { mode, note: passedOver.map((each) => `mode ${each} cannot run here: ${obstaclesTo[each].map(({ cause }) => cause).join('; ')}`).join('. ') };
}

/** What an agent is asked for that mode sockets does not have. */
export interface Beyond {
  readonly cluster: boolean;
  readonly offload: boolean;
}

/** Throws ModeError. @param note why it is not another mode */
export function refuseInSockets({ cluster, offload }: Beyond, note?: string): void {
  const because = note === undefined ? '' : ` (${note})`;
  const obstacles: Obstacle[] = [];
  if (cluster) obstacles.push({ cause: `a node of a cluster (--store) needs namespaces, and this would be mode sockets${because}`, remedy: 'start it in mode root or rootless, or without --store, alone' });
  if (offload) obstacles.push({ cause: `nothing is captured that the kernel could balance (--offload, --offload-driver) in mode sockets${because}`, remedy: 'start it in mode root or rootless, or leave these options out' });
  if (obstacles.length > 0) throw modeError('mode sockets is not enough', obstacles);
}

/** `cause: remedy`, one sentence. */
function obstacleText(obstacle: Obstacle): string {
  return `${obstacle.cause}: ${obstacle.remedy}`;
}

function modeError(what: string, obstacles: readonly Obstacle[]): ModeError {
  const [first] = obstacles;
  const text = obstacles.length === 1 && first !== undefined ? ` ${obstacleText(first)}` : obstacles.map((each) => `\n  - ${obstacleText(each)}`).join('');
  return new ModeError(`${what}:${text}`, obstacles);
}

function merge(first: readonly Obstacle[], second: readonly Obstacle[]): Obstacle[] {
  return [...first, ...second.filter((other) => !first.some((obstacle) => obstacle.cause === other.cause))];
}

function toolObstacles({ missingTools }: HostFacts): Obstacle[] {
  return [...new Set(missingTools.map((missing) => missing.package))].map((name) => {
    const tools = missingTools.filter((missing) => missing.package === name).map((missing) => missing.tool);
    return { cause: `${tools.join(', ')} not found`, remedy: packageRemedy(name) };
  });
}

export const packageRemedy = (name: string): string => `install the package ${name} (apt-get install ${name})`;

export function tunObstacles({ tun, uid }: HostFacts): Obstacle[] {
  if (typeof tun === 'string') return [];
  switch (tun.code) {
    case 'EACCES':
      return [{ cause: `/dev/net/tun is not readable by uid ${uid}`, remedy: 'chmod 0666 /dev/net/tun, or start vipmesh as root' }];
    case 'ENOENT':
    case 'ENXIO':
    case 'ENODEV':
      return [{ cause: 'there is no /dev/net/tun', remedy: 'modprobe tun; in a container, start it with --device /dev/net/tun' }];
    case 'EPERM':
      return [{ cause: '/dev/net/tun is forbidden by the container', remedy: 'start the container with --device /dev/net/tun' }];
    default:
      return [{ cause: `/dev/net/tun cannot be opened (${tun.failed})`, remedy: 'see that the kernel has TUN (modprobe tun) and that the device is c 10 200' }];
  }
}

/** Each sysctl that forbids a user namespace to this user, with the command that allows it. */
function sysctlObstacles({ sysctls, uid }: HostFacts): Obstacle[] {
  const obstacles: Obstacle[] = [];
  const forbid = (key: keyof HostFacts['sysctls'], value: number, allow: number): void => {
    obstacles.push({ cause: `${key}=${value} forbids user namespaces to uid ${uid}`, remedy: `sysctl -w ${key}=${allow}` });
  };
  if (sysctls['user.max_user_namespaces'] === 0) forbid('user.max_user_namespaces', 0, 15000);
  if (sysctls['user.max_net_namespaces'] === 0) forbid('user.max_net_namespaces', 0, 15000);
  if (uid === 0) return obstacles;
  if (sysctls['kernel.unprivileged_userns_clone'] === 0) forbid('kernel.unprivileged_userns_clone', 0, 1);
  const apparmor = sysctls['kernel.apparmor_restrict_unprivileged_userns'];
  if (apparmor !== undefined && apparmor > 0) forbid('kernel.apparmor_restrict_unprivileged_userns', apparmor, 0);
  return obstacles;
}

function trialObstacles(trial: Trial, what: string, remedy: string): Obstacle[] {
  if (typeof trial === 'string') return [];
  if (trial.code === TRIAL.sysctlReadOnly) {
    return [{ cause: '/proc/sys is read-only', remedy: 'start the container with --privileged, or with --security-opt systempaths=unconfined' }];
  }
  if (trial.code === TRIAL.noVeth) {
    return [{ cause: `veth pairs cannot be made in ${what} (${trial.failed})`, remedy: 'modprobe veth, or use a kernel with CONFIG_VETH' }];
  }
  return [{ cause: `${what} cannot be made (${trial.failed})`, remedy }];
}
