import test from 'ava';
import { moduleLack, moduleState, type ModuleState, type ReadText } from '../../../../kernel/modules/modules.js';

const RELEASE = '6.1.0-18-amd64';

/** As Debian has them; each file may be taken away. */
function machine(...without: string[]): ReadText {
  const files: Record<string, string> = {
    '/proc/modules': 'ip_vs 200704 2 ip_vs_rr, Live 0x0\nnf_conntrack 188416 1 ip_vs, Live 0x0\n',
    [`/lib/modules/${RELEASE}/modules.builtin`]: 'kernel/fs/ext4/ext4.ko\nkernel/net/netfilter/x_tables.ko\n',
    [`/lib/modules/${RELEASE}/modules.dep`]: 'kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/net/netfilter/nf_conntrack.ko.xz\nkernel/net/netfilter/ipvs/ip_vs_mh.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz\nkernel/net/sched/act-police.ko:\n',
  };
  return (path) => (without.some((end) => path.endsWith(end)) ? undefined : files[path]);
}

test('loaded, built in, loadable, not there', (t) => {
  const state = (name: string): ModuleState => moduleState(name, machine(), RELEASE);
  t.deepEqual(['ip_vs', 'x_tables', 'ip_vs_mh', 'act_police', 'ip_vs_sh', 'vs', 'ip'].map(state), ['loaded', 'built in', 'loadable', 'loadable', 'not there', 'not there', 'not there']);
});

test('a container sees what is loaded, and not what could be; a kernel that takes no modules has none', (t) => {
  const lists = ['modules.builtin', 'modules.dep'];
  t.deepEqual(['ip_vs', 'ip_vs_mh'].map((name) => moduleState(name, machine(...lists), RELEASE)), ['loaded', 'not known']);
  t.deepEqual(['ip_vs', 'x_tables'].map((name) => moduleState(name, machine('/proc/modules'), RELEASE)), ['not there', 'built in']);
});

test('each has a remedy of its own, and what cannot be mended comes first', (t) => {
  const lack = (states: Record<string, ModuleState>) => moduleLack('this kernel has no IPVS', Object.keys(states), { otherwise: 'use --offload-driver nft', state: (name) => states[name]!, release: RELEASE });
  t.deepEqual(lack({ ip_vs: 'loadable' }), { reason: 'this kernel has no IPVS: the module ip_vs is not loaded', remedy: '`modprobe -a ip_vs` as root, or use --offload-driver nft' });
  t.deepEqual(lack({ ip_vs: 'loadable', ip_vs_rr: 'not there', ip_vs_sh: 'not there' }), {
    reason: `this kernel has no IPVS: the modules ip_vs_rr, ip_vs_sh are not there for Linux ${RELEASE}`,
    remedy: 'use a kernel that has ip_vs_rr, ip_vs_sh, or use --offload-driver nft',
  });
  t.deepEqual(lack({ ip_vs: 'not known' }), {
    reason: `this kernel has no IPVS: the module ip_vs is not loaded, and /lib/modules/${RELEASE} is not here`,
    remedy: 'in a container, `modprobe -a ip_vs` on its host, else install the modules of this kernel, or use --offload-driver nft',
  });
  t.deepEqual(lack({ ip_vs: 'loaded', x_tables: 'built in' }), {
    reason: 'this kernel has no IPVS, though ip_vs is loaded, x_tables is built in',
    remedy: 'see `dmesg` for what the kernel says, or use --offload-driver nft',
  });
  t.is(moduleLack('it fails', ['nf_nat'], { state: () => 'loadable', release: RELEASE }).remedy, '`modprobe -a nf_nat` as root');
});
