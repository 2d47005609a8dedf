import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/balancing.js', import.meta.url);

test.serial('a UDP client that keeps its port is answered throughout a roll-out', (t) => runScenario(t, 'root', module, 'rollOut'));
