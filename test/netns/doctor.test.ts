import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/doctor.js', import.meta.url);

test('doctor answers root who has no capabilities', (t) => runScenario(t, 'root', module, 'powerlessRoot'));
