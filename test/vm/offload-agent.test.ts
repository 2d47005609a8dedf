/**
 * A whole agent that hands services to IPVS: the scenarios of test/netns/offload.test.ts, on a kernel that has it.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('../netns/scenarios/offload.js', import.meta.url);
const guest = guestOfFile();
const tools = ['conntrack', 'nc', 'curl'].map((name) => `command:${name}` as const);

test.serial('a service is handed to IPVS and taken back under traffic', (t) => guest.runScenario(t, module, 'handedOverAndBack ipvs', ...tools));
test.serial('its endpoints change while IPVS balances it', (t) => guest.runScenario(t, module, 'changedWhileOffloaded ipvs', ...tools));
test.serial('rules and services that another tool flushed come back', (t) => guest.runScenario(t, module, 'flushed ipvs', ...tools));
test.serial('IPVS balances without an agent, and the next one adopts it', (t) => guest.runScenario(t, module, 'withoutAgent ipvs', ...tools));
