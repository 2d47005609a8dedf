/**
 * Published ports by a whole agent, with iptables on the host and IPVS in the ingress sandbox: as in
 * test/netns/offload-ports.test.ts, on a kernel that has it.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('../netns/scenarios/offload-ports.js', import.meta.url);
const guest = guestOfFile();
const tools = ['conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

test.serial('published ports handed to IPVS and taken back under traffic; without an agent, and by the next', (t) =>
  guest.runScenario(t, module, 'portsWholeLife ipvs', ...tools));
