import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/offload-ports.js', import.meta.url);
const tools = ['nft', 'conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

test.serial('published ports are handed to the kernel and taken back under traffic', (t) => runScenario(t, 'root', module, 'portsHandedOverAndBack', ...tools));
test.serial('rules for published ports that another tool flushed come back', (t) => runScenario(t, 'root', module, 'portsFlushed', ...tools));
test.serial('the kernel serves published ports without an agent, and the next one adopts them', (t) => runScenario(t, 'root', module, 'portsWithoutAgent', ...tools));
test.serial('what on the host keeps published ports in userspace is said', (t) => runScenario(t, 'root', module, 'portsHindered', ...tools));
