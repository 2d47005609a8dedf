/**
 * `vipmesh doctor` on hosts that forbid what it would try.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { run } from '../../../kernel/run/runner.js';
import type { DoctorCheck } from '../../../agent/control.js';

const MAIN = fileURLToPath(new URL('../../../agent/cli/main.js', import.meta.url));

/** As root of a container: uid 0, and no capability. */
export async function powerlessRoot(): Promise<void> {
  const checks = JSON.parse(await run('setpriv', ['--bounding-set', '-all', '--inh-caps', '-all', process.execPath, MAIN, 'doctor', '--json'])) as DoctorCheck[];
  const status = (name: string): string | undefined => checks.find((check) => check.name === name)?.status;
  assert.equal(status('mode root'), 'missing');
  assert.equal(status('mode sockets'), 'ok');
  assert.equal(status('offload ports'), 'partial', 'its agent would not see the network of the host');
}
