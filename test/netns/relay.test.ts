import test from 'ava';
import { runScenario, type HostUser } from '../support/host.js';

const module = new URL('./scenarios/relay.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test(`HTTP from the host to tasks behind a namespace it has no route to, as ${as}`, (t) => runScenario(t, as, module, 'http', 'command:curl'));
  test(`without an endpoint, and past one that refuses, as ${as}`, (t) => runScenario(t, as, module, 'noEndpoint', 'command:curl'));
  test(`UDP to a published port, as ${as}`, (t) => runScenario(t, as, module, 'udp', 'command:nc', 'command:socat'));
}
test('128 MiB up, then the answer after a half-close', (t) =>
  runScenario(t, 'root', module, 'halfCloseUpload', 'command:nc', 'command:socat'));
test('128 MiB down, three at once', (t) => runScenario(t, 'root', module, 'download', 'command:nc', 'command:socat'));
test('clients that do not read stop the endpoint and cost no memory', (t) => runScenario(t, 'root', module, 'slowReader', 'command:socat'));
test('an endpoint that is killed or removed resets its clients', (t) => runScenario(t, 'root', module, 'endpointKilled'));
test('no descriptor left: shed, not spinning, and back afterwards', (t) =>
  runScenario(t, 'root', module, 'noDescriptors', 'command:prlimit'));
