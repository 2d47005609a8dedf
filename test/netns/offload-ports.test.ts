import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/offload-ports.js', import.meta.url);
const tools = ['nft', 'conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

test.serial('published ports are handed to the kernel and taken back under traffic', (t) => runScenario(t, 'root', module, 'portsHandedOverAndBack', ...tools));
