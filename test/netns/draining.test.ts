import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/draining.js', import.meta.url);

test.serial('streams to a stopping task go on, new flows go elsewhere, as root', (t) => runScenario(t, 'root', module, 'draining', 'command:curl'));
test.serial('the same rootless as uid 65534', (t) => runScenario(t, 'nobody', module, 'draining', 'command:curl'));
test.serial('a stream that outlasts the grace is cut, and what ignores SIGTERM is killed with its whole tree', (t) =>
  runScenario(t, 'root', module, 'grace', 'command:curl'));
