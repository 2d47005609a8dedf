import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('./scenarios/encryption.js', import.meta.url);
const guest = guestOfFile();

test.serial('encrypted networks: only ESP on the underlay, clear text refused, no loss while keys change', (t) => guest.runScenario(t, module, 'encrypts', 'command:tcpdump'));
