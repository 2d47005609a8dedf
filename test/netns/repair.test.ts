import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/repair.js', import.meta.url);

test.serial('services that come and go at once leave no task and no descriptor', (t) => runScenario(t, 'root', module, 'churn'));
test.serial('a task that cannot be spawned fails once, and the agent goes on', (t) => runScenario(t, 'root', module, 'unspawnable'));
test.serial('a removed vip0 is made anew, one that is down and a route that is gone are put right, and no other network is harmed meanwhile', (t) => runScenario(t, 'root', module, 'removedTun', 'command:curl'));
test.serial('a slow reader gets all that is printed', (t) => runScenario(t, 'root', module, 'slowPipe'));
