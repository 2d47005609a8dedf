import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/restarts.js', import.meta.url);

test.serial('a command that fails is tried again ever more slowly, with its errors and logs kept', (t) => runScenario(t, 'root', module, 'backOff'));
test.serial('a command that does not exist is said to be the cause', (t) => runScenario(t, 'root', module, 'commandNotFound'));
