/**
 * What `vipmesh doctor` says of a host: facts in, checks out. The facts are found in agent/doctor/doctor.ts; which mode
 * can run is decided by agent/lifecycle/modes.ts, the same code that decides at start.
 */
import type { DoctorCheck } from '../control.js';
import { rootlessObstacles, rootObstacles, socketsObstacles, type HostFacts, type Mode, type Obstacle } from '../lifecycle/modes.js';
import { check, obstructed, ok } from './check.js';
import type { DoctorFacts } from './facts.js';
import { hostChecks } from './host-checks.js';
import { networkChecks } from './network-checks.js';
import { storeChecks } from './store-checks.js';

/** How the names of the checks begin that say whether an agent can run. */
const MODE = 'mode ';

interface ModeCheck {
  readonly mode: Mode;
  readonly need: string;
  readonly obstacles: (host: HostFacts) => readonly Obstacle[];
}

/** In the order in which `auto` takes them. */
const MODES: readonly ModeCheck[] = [
  { mode: 'root', need: 'tasks and namespaces in the host’s own namespaces', obstacles: rootObstacles },
  { mode: 'rootless', need: 'the same without root, in a user namespace', obstacles: rootlessObstacles },
  { mode: 'sockets', need: 'where neither can run: VIPs and tasks as sockets on loopback', obstacles: socketsObstacles },
];

/** First what there is, then which modes can run on that. */
export function doctorChecks(facts: DoctorFacts): DoctorCheck[] {
  const modes = MODES.map(({ mode, need, obstacles }) => {
    const found = obstacles(facts.host);
    return check(MODE + mode, need, found.length === 0 ? ok('can run') : obstructed(found, 'cannot run: '));
  });
  return [...hostChecks(facts), ...storeChecks(facts), ...networkChecks(facts), ...modes];
}

/** Of the modes that the checks are about, those that can run. */
export function runnableModes(checks: readonly DoctorCheck[]): string[] {
  return checks.filter(({ name, status }) => name.startsWith(MODE) && status === 'ok').map(({ name }) => name.slice(MODE.length));
}

/** Whether an agent can start here: in the given mode, or in any. */
export function canRun(checks: readonly DoctorCheck[], mode?: Mode): boolean {
  const modes = runnableModes(checks);
  return mode === undefined ? modes.length > 0 : modes.includes(mode);
}

/** `Modes that can run here: root, rootless`. */
export function modesLine(checks: readonly DoctorCheck[]): string {
  const modes = runnableModes(checks);
  return modes.length === 0 ? 'No mode can run here.' : `Modes that can run here: ${modes.join(', ')}`;
}

/** What to do, each thing once, with the names of the checks that it helps: `mode root, iproute2: install …`. */
export function remedyLines(checks: readonly DoctorCheck[]): string[] {
  const helped = new Map<string, Set<string>>();
  for (const { name, remedy } of checks) {
    for (const line of remedy?.split('\n') ?? []) helped.set(line, (helped.get(line) ?? new Set()).add(name));
  }
  return [...helped].map(([remedy, names]) => `${[...names].join(', ')}: ${remedy}`);
}
