import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/balancing.js', import.meta.url);

test.serial('weights, affinity and a bound on connections, changed under the same tasks', (t) => runScenario(t, 'root', module, 'policies', 'command:curl'));
test.serial('flows that outlast the drain time are ended then, with a reset, and shown until then', (t) => runScenario(t, 'root', module, 'drainTimeout'));
test.serial('a UDP client that keeps its port is answered throughout a roll-out', (t) => runScenario(t, 'root', module, 'rollOut'));
test.serial('the same rootless as uid 65534', (t) => runScenario(t, 'nobody', module, 'drainTimeout'));
