/**
 * The ipvs driver on a kernel that has IPVS: what it installs, and what becomes of it when others change it.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('./scenarios/offload-repair.js', import.meta.url);
const guest = guestOfFile();

test.serial('iptables and ipvsadm show the mark and FWM 259 rr, traffic alternates and is counted', (t) => guest.runScenario(t, module, 'showsThePicture', 'command:conntrack'));
test.serial('an endpoint flaps, and nothing else breaks', (t) => guest.runScenario(t, module, 'survivesFlapping', 'command:conntrack'));
test.serial('IPVS is unloaded, and cannot be loaded', (t) => guest.runScenario(t, module, 'survivesUnloading', 'command:conntrack'));
test.serial('each part that somebody takes away is named and mended', (t) => guest.runScenario(t, module, 'mendsEachPart', 'command:conntrack'));
