import test from 'ava';
import { probeIpvs, type Surroundings } from '../../../../kernel/offload/capability.js';
import { OffloadError } from '../../../../kernel/offload/error.js';
import { CommandError } from '../../../../kernel/run/runner.js';

/** A machine that can do everything; `fails` answers what a tool says on standard error when it fails. */
function machine(fails: (command: string, input: string) => string | undefined, more: Partial<Surroundings> = {}): Surroundings {
  return {
    uid: 0,
    uidMap: '         0          0 4294967295\n',
    findXtables: () => Promise.resolve({ kind: 'nft', command: 'iptables' }),
    moduleState: () => 'loadable',
    trial: (command, _args, input) => {
      const said = fails(command, input);
      return said === undefined ? Promise.resolve('') : Promise.reject(new CommandError(`unshare --net ${command}`, 1, said, 'exit code 1'));
    },
    ...more,
  };
}

const ALL = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const;

test('a machine that has everything lacks nothing', async (t) => {
  t.deepEqual(await probeIpvs(machine(() => undefined)), { driver: 'ipvs', lacks: [], schedulers: [...ALL], tools: ['iptables (nft)'] });
});

test('not root: nothing is tried', async (t) => {
  const found = await probeIpvs(machine(() => {
    t.fail();
    return undefined;
  }, { uid: 1000 }));
  t.deepEqual(found, { driver: 'ipvs', lacks: [{ reason: 'this is uid 1000, and only root may use IPVS', remedy: 'run the agent as root' }], schedulers: [], tools: [] });
});

test('a missing match is named once, and found behind rules that work', async (t) => {
  const { lacks } = await probeIpvs(machine((_, input) => (input.includes('-m ipvs') ? 'Warning: Extension ipvs revision 0 not supported, missing kernel module?\niptables-restore: line 3 failed\n' : undefined)));
  t.deepEqual(lacks, [{ reason: "this kernel has no xtables extension 'ipvs': the module xt_ipvs is not loaded", remedy: '`modprobe -a xt_ipvs` as root' }]);
});

test('a kernel that lacks one scheduler has the others', async (t) => {
  const found = await probeIpvs(machine((command, input) => (command === 'ipvsadm' && input.includes('-s mh') ? 'Scheduler or persistence engine not found\n' : undefined)));
  t.deepEqual(found.lacks, []);
  t.deepEqual(found.schedulers, ALL.filter((name) => name !== 'mh'));
});

test('no IPVS, in a user namespace: both are told', async (t) => {
  const said = "Can't initialize ipvs: Permission denied (you must be root)\n";
  const found = await probeIpvs(machine((command) => (command === 'ipvsadm' ? said : undefined), { uidMap: '0 1000 1\n' }));
  t.deepEqual(found.schedulers, []);
  t.deepEqual(found.lacks.map(({ reason }) => reason), [
    'IPVS may not be changed from here: it wants CAP_NET_ADMIN outside any user namespace',
    'this is a user namespace, and many kernels allow IPVS in the initial one only',
  ]);
});

test('no iptables and no conntrack: both are told', async (t) => {
  const missing = (name: string): CommandError => new CommandError(`unshare --net ${name}`, 127, `unshare: failed to execute ${name}: No such file or directory\n`, 'exit code 127');
  const found = await probeIpvs(
    machine(() => undefined, {
      findXtables: () => Promise.reject(new OffloadError('iptables is not installed or not in PATH', 'install the package iptables')),
      trial: (command) => (command === 'conntrack' ? Promise.reject(missing('conntrack')) : Promise.resolve('')),
    }),
  );
  t.deepEqual(found.lacks.map(({ reason, remedy }) => [reason, remedy]), [
    ['iptables is not installed or not in PATH', 'install the package iptables'],
    ['conntrack is not installed or not in PATH', 'install the package conntrack'],
  ]);
});
