import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/state.js', import.meta.url);

test.serial('the outer process of a rootless agent is killed, and all of it ends', (t) => runScenario(t, 'nobody', module, 'rootlessKilled', 'command:curl'));
test.serial('a rootless agent that was stopped comes up again with all it had', (t) => runScenario(t, 'nobody', module, 'stoppedInOrder', 'command:curl'));
test.serial('a state that cannot be used rootless is one clear sentence', (t) => runScenario(t, 'nobody', module, 'unusable'));
