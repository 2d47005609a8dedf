import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/state.js', import.meta.url);

test.serial('an agent killed at any moment comes up again with all it had, and nothing twice', (t) => runScenario(t, 'root', module, 'killedAgain', 'command:curl'));
test.serial('an agent that was stopped comes up again with all it had, as root', (t) => runScenario(t, 'root', module, 'stoppedInOrder', 'command:curl'));
test.serial('the same rootless as uid 65534', (t) => runScenario(t, 'nobody', module, 'stoppedInOrder', 'command:curl'));
test.serial('either half of a rootless agent is killed, and all of it ends', (t) => runScenario(t, 'nobody', module, 'rootlessKilled', 'command:curl'));
