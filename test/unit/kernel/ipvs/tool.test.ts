import test from 'ava';
import { explainIpvs } from '../../../../kernel/ipvs/tool.js';
import { OffloadError } from '../../../../kernel/offload/error.js';
import { CommandError } from '../../../../kernel/run/runner.js';

const failed = (exitCode: number | null, stderr: string, reason = `exit code ${exitCode}`): CommandError => new CommandError('ipvsadm -R', exitCode, stderr, reason);

const FAILURES: readonly (readonly [CommandError, string, RegExp])[] = [
  [failed(null, '', 'ipvsadm is not installed or not in PATH'), 'ipvsadm is not installed or not in PATH', /package ipvsadm/],
  [
    failed(2, "modprobe: FATAL: Module ip_vs not found in directory /lib/modules/6.18\nCan't initialize ipvs: Protocol not available\nAre you sure that IP Virtual Server is built in the kernel or as module?\n"),
    'this kernel has no IPVS: the module ip_vs is not loaded',
    /^`modprobe -a ip_vs` as root, or use --offload-driver nft$/,
  ],
  [
    failed(2, "Can't initialize ipvs: Permission denied (you must be root)\n"),
    'IPVS may not be changed from here: it wants CAP_NET_ADMIN outside any user namespace',
    /--offload-driver nft/,
  ],
  [failed(255, 'Scheduler or persistence engine not found\n'), 'this kernel lacks a scheduler of IPVS that was asked for: the modules ip_vs_mh, ip_vs_rr are not loaded', /modprobe -a ip_vs_mh ip_vs_rr` as root, or choose another scheduler/],
  // With exit code 0: ipvsadm goes on after a line that failed.
  [failed(0, 'No such destination\nNo such destination\n'), 'ipvsadm failed: No such destination', /ipvsadm -Ln/],
];

for (const [error, message, remedy] of FAILURES) {
  test(`a failure is a sentence: ${message}`, (t) => {
    const explained = explainIpvs(error, '-A -f 259 -s mh -b mh-fallback\n-A -f 260 -s rr\n-A -f 261 -s rr\n', () => 'loadable');
    t.true(explained instanceof OffloadError);
    t.is((explained as OffloadError).message, message);
    t.regex((explained as OffloadError).remedy ?? '', remedy);
  });
}
