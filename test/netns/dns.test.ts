import test from 'ava';
import { runScenario, type HostUser } from '../support/host.js';

const module = new URL('./scenarios/dns.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test(`names in task sandboxes, asked by dig and the C library, as ${as}`, (t) => runScenario(t, as, module, 'namesInSandboxes', 'command:dig'));
  test(`a query from port 0 does no harm, as ${as}`, (t) => runScenario(t, as, module, 'sourcePortZero', 'command:dig'));
}
