import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/limits.js', import.meta.url);

test.serial('a pool that is used up is named, and harms nobody else', (t) => runScenario(t, 'root', module, 'smallPool', 'command:curl'));
test.serial('what is in use cannot be removed; what is removed refuses, and is free again', (t) => runScenario(t, 'root', module, 'inUse', 'command:curl'));
test.serial('fifty services come up, and go without a trace', (t) => runScenario(t, 'root', module, 'many'));
