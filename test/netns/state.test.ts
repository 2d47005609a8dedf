import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/state.js', import.meta.url);

test.serial('an agent killed at any moment comes up again with all it had, and nothing twice', (t) => runScenario(t, 'root', module, 'killedAgain', 'command:curl'));
test.serial('an agent that was stopped comes up again with all it had', (t) => runScenario(t, 'root', module, 'stoppedInOrder', 'command:curl'));
test.serial('a state that cannot be used is one clear sentence', (t) => runScenario(t, 'root', module, 'unusable'));
