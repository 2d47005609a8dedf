import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/rootless.js', import.meta.url);

test('the inner process is killed under a client, then the outer one, as uid 65534', (t) => runScenario(t, 'nobody', module, 'kills'));
