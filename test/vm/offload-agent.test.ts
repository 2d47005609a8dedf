/**
 * A whole agent that hands services to IPVS: scenarios of test/netns/offload.test.ts, on a kernel that has it. A guest is slow: what the
 * driver alone shows (changes, flushed rules) is in offload-ipvs.test.ts and offload-repair.test.ts.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('../netns/scenarios/offload.js', import.meta.url);
const guest = guestOfFile();
const tools = ['conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

test.serial('a service is handed to IPVS and taken back under traffic', (t) => guest.runScenario(t, module, 'handedOverAndBack ipvs', ...tools));
test.serial('IPVS balances without an agent, and the next one adopts it', (t) => guest.runScenario(t, module, 'withoutAgent ipvs', ...tools));
