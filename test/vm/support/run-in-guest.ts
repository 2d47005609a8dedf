/**
 * Scenarios in a guest, as runScenario (test/support/host.ts) runs them outside: each on a test host of its own, in a
 * Node.js process of its own, each a test. A test file has one guest, which starts with its first scenario. When a scenario
 * took the kernel along, or hung, the next one gets a new guest.
 */
import { fileURLToPath } from 'node:url';
import anyTest, { type ExecutionContext } from 'ava';
import { needsOf } from '../../support/host.js';
import { skipWithout, type Need } from '../../support/capability.js';
import { Guest, GuestError, type GuestOptions } from './guest.js';
import { HOST } from './init.js';

/** Milliseconds. A bound for scenarios of which the longest take two minutes on an idle machine. */
const SCENARIO_TIMEOUT = 900_000;
const BOOT_TIMEOUT = 120_000;

export interface GuestOfFile {
  /** Runs an exported async function of a module; words after its name are its arguments. For serial tests. */
  runScenario(t: ExecutionContext, module: URL, name: string, ...needs: Need[]): Promise<void>;
}

/** What a guest runs for a scenario. */
export function scenarioCommand(module: URL, name: string): string[] {
  const main = fileURLToPath(new URL('../../support/scenario-main.js', import.meta.url));
  return [HOST, process.execPath, '--enable-source-maps', main, module.href, name];
}

/** The guest of the test file that calls this, which is stopped after the file's last test. */
export function guestOfFile(options: GuestOptions = {}): GuestOfFile {
  let guest: Guest | undefined;
  anyTest.after.always('the guest is stopped', () => guest?.close());
  return {
    async runScenario(t, module, name, ...needs) {
      if (skipWithout(t, ...needsOf('root'), 'ipvs-kernel', ...needs)) return;
      // For AVA too, which otherwise ends a run that is silent for longer than it thinks right.
      t.timeout(BOOT_TIMEOUT + SCENARIO_TIMEOUT + 30_000);
      try {
        guest ??= await Guest.boot({ bootTimeout: BOOT_TIMEOUT, ...options });
        const { code, output } = await guest.run(scenarioCommand(module, name), SCENARIO_TIMEOUT);
        if (code !== 0) return void t.fail(`scenario ${name} in a guest ended with ${code}:\n${output}`);
        if (output.trim() !== '') t.log(output.trimEnd());
        t.pass();
      } catch (error) {
        if (!(error instanceof GuestError)) throw error;
        guest = undefined;
        t.fail(error.message);
      }
    },
  };
}
