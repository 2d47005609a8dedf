import test from 'ava';
import { doctorText } from '../../../../agent/cli/commands/doctor.js';
import { doctorChecks } from '../../../../agent/doctor/checks.js';
import { containerText, debianText, goodText, rootlessText, ubuntuText } from './golden.js';
import { container, debian, good, rootless, ubuntu } from './machines.js';

const MACHINES = [
  ['root of a machine that has everything', good, goodText],
  ['a user of one', rootless, rootlessText],
  ['Ubuntu 24.04, where AppArmor restricts user namespaces', ubuntu, ubuntuText],
  ['Debian with kernel.unprivileged_userns_clone=0', debian, debianText],
  ['a bare container', container, containerText],
] as const;

for (const [name, facts, text] of MACHINES) {
  test(`what is printed for ${name}`, async (t) => t.is(await doctorText(doctorChecks(facts)), text));
}
