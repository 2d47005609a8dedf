import test from 'ava';
import { runScenario } from '../support/host.js';

// One at a time: each is several processes already.
const module = new URL('./scenarios/lifecycle.js', import.meta.url);

test.serial('up in the foreground, a second one refused, one Ctrl-C, in mode root', (t) => runScenario(t, 'root', module, 'foregroundRoot'));
test.serial('the same when root asks for mode rootless', (t) => runScenario(t, 'root', module, 'foregroundRootless'));
test.serial('the same in mode rootless as uid 65534', (t) => runScenario(t, 'nobody', module, 'foregroundRootless'));
test.serial('the same in mode auto as root of a user namespace', (t) => runScenario(t, 'userns', module, 'foregroundAuto'));

test.serial('up --detach and down, in mode root', (t) => runScenario(t, 'root', module, 'backgroundRoot'));
test.serial('up --detach and down, in mode rootless as uid 65534', (t) => runScenario(t, 'nobody', module, 'backgroundRootless'));

test.serial('a start that fails says why, in mode root', (t) => runScenario(t, 'root', module, 'failedStartsRoot'));
test.serial('a start that fails says why, in mode rootless as uid 65534', (t) => runScenario(t, 'nobody', module, 'failedStartsRootless'));

test.serial('a second Ctrl-C kills, in mode root', (t) => runScenario(t, 'root', module, 'impatienceRoot'));
test.serial('a second Ctrl-C kills, in mode rootless', (t) => runScenario(t, 'userns', module, 'impatienceRootless'));

test.serial('what a killed root agent left is removed by down, and by the next up', (t) => runScenario(t, 'root', module, 'killedRoot'));
test.serial('an inner process that is killed is followed by another', (t) => runScenario(t, 'userns', module, 'innerKilled'));
test.serial('an inner process that dies again and again is given up', (t) => runScenario(t, 'userns', module, 'innerHopeless'));
test.serial('an outer process that is killed makes the inner one shut down', (t) => runScenario(t, 'userns', module, 'outerKilled'));

test.serial('cleaning up removes what is this node’s, and is idempotent', (t) => runScenario(t, 'root', module, 'cleaning'));
