import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/state.js', import.meta.url);

test.serial('an agent killed at any moment comes up again with all it had, and nothing twice', (t) => runScenario(t, 'root', module, 'killedAgain', 'command:curl'));
test.serial('an agent that was stopped comes up again with all it had', (t) => runScenario(t, 'root', module, 'stoppedInOrder', 'command:curl'));
test.serial('a state that cannot be used is one clear sentence', (t) => runScenario(t, 'root', module, 'unusable'));

const survival = new URL('./scenarios/survival.js', import.meta.url);

test.serial('tasks go on when their agent is killed, and under the next one', (t) => runScenario(t, 'root', survival, 'goesOn', 'command:curl'));
test.serial('a task that ended while there was no agent is seen with its exit code', (t) => runScenario(t, 'root', survival, 'endedMeanwhile'));
test.serial('down with no agent alive stops its tasks in order', (t) => runScenario(t, 'root', survival, 'downWithoutAgent'));
test.serial('a second Ctrl-C ends the tasks as well', (t) => runScenario(t, 'root', survival, 'impatient'));
test.serial('agents killed while they start and adopt tasks disturb none', (t) => runScenario(t, 'root', survival, 'killedWhileAdopting'));
test.serial('what an agent cannot take over it makes anew', (t) => runScenario(t, 'root', survival, 'misfits', 'command:ping'));
test.serial('tasks on a network with IPv6 go on as well', (t) => runScenario(t, 'root', survival, 'withIpv6', 'ipv6', 'command:ping'));
test.serial('a task of a host that was renamed meanwhile is replaced', (t) => runScenario(t, 'root', survival, 'renamed'));
