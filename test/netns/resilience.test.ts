import test from 'ava';
import { runScenario } from '../support/host.js';

// One at a time: each has an agent, its tasks and two busy clients.
const change = new URL('./scenarios/change.js', import.meta.url);

test.serial('scaling, updates, failed health checks and killed tasks under traffic, as root', (t) => runScenario(t, 'root', change, 'change'));
test.serial('the same rootless as uid 65534', (t) => runScenario(t, 'nobody', change, 'change'));
test.serial('an update of a service without published ports under traffic', (t) => runScenario(t, 'root', change, 'updateWithoutPorts'));
