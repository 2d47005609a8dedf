/**
 * Who uses the machine of an end-to-end test (test/netns/scenarios/support/machine.ts): root; uid 65534, set up by root; and
 * where the tests do not run as root, root of a user namespace, so that they show something there too.
 */
import type { ExecutionContext } from 'ava';
import { isRoot, type Need } from './capability.js';
import { runScenario } from './host.js';

export type MachineUser = 'root' | 'nobody' | 'userns';

export const MACHINE_USERS: readonly MachineUser[] = isRoot() ? ['root', 'nobody'] : ['root', 'nobody', 'userns'];

/** Runs a scenario, which is called with the user, on a new test host. See runScenario. */
export function runOnMachine(t: ExecutionContext, user: MachineUser, module: URL, name: string, ...needs: Need[]): Promise<void> {
  return runScenario(t, user === 'userns' ? 'userns' : 'root', module, `${name} ${user}`, ...(user === 'nobody' ? (['userns'] as const) : []), ...needs);
}
