/**
 * A whole agent that hands services to IPVS: what the scenarios of test/netns/offload.test.ts do, on a kernel that has it. A guest is slow:
 * they are one after another in one agent, and the next.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('../netns/scenarios/offload.js', import.meta.url);
const guest = guestOfFile();
const tools = ['conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

test.serial('services handed to IPVS and taken back, changed and flushed under traffic; idle clients told, and not without raw sockets; without an agent, and by the next', (t) =>
  guest.runScenario(t, module, 'wholeLife ipvs', ...tools));
