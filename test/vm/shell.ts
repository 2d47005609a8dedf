/**
 * A shell, or a command, on a test host inside a guest, on this terminal: `node dist/test/vm/shell.js [COMMAND…]`, as root.
 * The machine's files are there, read-only; /run is the guest's own. The guest ends with the shell.
 */
import { missing } from '../support/capability.js';
import { startOnHost } from '../support/host.js';
import { kernelCommand, runOnConsole } from './support/init.js';

const reasons = (['root', 'ipvs-kernel'] as const).map(missing).filter((reason) => reason !== undefined);
if (reasons.length > 0) {
  process.stderr.write(`${reasons.join('; ')}\n`);
  process.exit(1);
}
const words = process.argv.slice(2);
const main = runOnConsole(words.length > 0 ? words : ['bash', '-i']);
const kernel = startOnHost('root', kernelCommand(main, 1024, ['con0=fd:0,fd:1']), 'inherit');
kernel.on('exit', (code) => process.exit(code ?? 1));
