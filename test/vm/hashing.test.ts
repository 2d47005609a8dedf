/**
 * `sh` and `mh`: the kernel and userspace send each client to the same endpoint.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('./scenarios/hashing.js', import.meta.url);
const guest = guestOfFile();

test.serial('sh: the kernel picks what userspace picks, for 1,000 clients', (t) => guest.runScenario(t, module, 'sh'));
test.serial('mh: the kernel picks what userspace picks, for 1,000 clients', (t) => guest.runScenario(t, module, 'mh'));
test.serial('mh, endpoints with ports of their own: the kernel picks what userspace picks, for 1,000 clients', (t) => guest.runScenario(t, module, 'mhWithPorts'));
