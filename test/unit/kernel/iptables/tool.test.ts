import test from 'ava';
import { explainXtables, kindOf } from '../../../../kernel/iptables/tool.js';
import { OffloadError } from '../../../../kernel/offload/error.js';
import { CommandError } from '../../../../kernel/run/runner.js';

test('the kind of iptables is what its version says', (t) => {
  t.is(kindOf('iptables v1.8.9 (nf_tables)\n'), 'nft');
  t.is(kindOf('iptables v1.8.9 (legacy)\n'), 'legacy');
  t.is(kindOf('iptables v1.6.1\n'), 'legacy');
});

const failed = (exitCode: number | null, stderr: string, reason = `exit code ${exitCode}`): CommandError => new CommandError('iptables-restore', exitCode, stderr, reason);

/** Exit code, what the tool wrote, what it means, and a word of the remedy. */
const FAILURES: readonly (readonly [CommandError, string, RegExp])[] = [
  [failed(null, '', 'iptables-restore is not installed or not in PATH'), 'iptables-restore is not installed or not in PATH', /package iptables/],
  [
    failed(4, "Can't lock /run/xtables.lock: Resource temporarily unavailable\nAnother app is currently holding the xtables lock. Stopped waiting after 5s.\n"),
    'another program has held the xtables lock for more than 5 s',
    /fuser/,
  ],
  [
    failed(4, 'iptables-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\n'),
    'iptables (nft) may not change rules here: iptables-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)',
    /root/,
  ],
  [
    failed(4, 'iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Invalid argument\n'),
    'this kernel does not support iptables (nft) (iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Invalid argument): the modules nf_tables, nft_compat are not loaded',
    /modprobe -a nf_tables nft_compat` as root, or choose the other kind with `update-alternatives/,
  ],
  [
    failed(1, 'Warning: Extension ipvs revision 0 not supported, missing kernel module?\niptables-restore: line 3 failed\n'),
    "this kernel has no xtables extension 'ipvs': the module xt_ipvs is not loaded",
    /modprobe -a xt_ipvs/,
  ],
  [
    failed(1, 'Warning: Extension SNAT revision 0 not supported, missing kernel module?\niptables-restore: line 17 failed\n'),
    "this kernel has no xtables extension 'SNAT': the module xt_nat is not loaded",
    /modprobe -a xt_nat/,
  ],
  [failed(1, 'iptables-restore: line 2 failed\n'), "iptables (nft) failed at '-D VIPMESH-NEW -j X': iptables-restore: line 2 failed", /dmesg/],
];

for (const [error, message, remedy] of FAILURES) {
  test(`a failure is a sentence: ${message}`, (t) => {
    const explained = explainXtables(error, 'iptables (nft)', '*mangle\n-D VIPMESH-NEW -j X\nCOMMIT\n', () => 'loadable');
    t.true(explained instanceof OffloadError);
    t.is((explained as OffloadError).message, message);
    t.regex((explained as OffloadError).remedy ?? '', remedy);
  });
}
