/**
 * The shell scripts that start a guest: what the test host prepares, what the guest's init does, and how the machine's files
 * look from inside. What is said over the serial line, and when a guest ends, is guest.ts's.
 *
 * The guest's root is the machine's own file tree by hostfs, read-only, as the test host sees it: with a tmpfs on /run, and
 * one on /usr/lib/uml with our scripts, and the modules where modprobe(8) looks for them. So a guest has no file on a disk that
 * would have to be removed, and meets no other guest.
 */
import { dirname } from 'node:path';
import { hostCommand } from '../../support/host.js';

/** A directory that Debian's package made, so that it is there to mount upon; in the test host it is a tmpfs with our scripts. */
const HOME = '/usr/lib/uml';
const MODULES = ['ip_vs', 'ip_vs_rr', 'ip_vs_wrr', 'ip_vs_lc', 'ip_vs_wlc', 'ip_vs_sh', 'ip_vs_mh', 'xt_ipvs', 'iptable_mangle', 'iptable_nat', 'iptable_filter']
  .concat(['xt_mark', 'xt_connmark', 'xt_tcpudp', 'xt_conntrack', 'nf_conntrack_netlink', 'nf_conntrack', 'tun', 'veth', 'vxlan', 'dummy']);

export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

const quoteAll = (words: readonly string[]): string => words.map(quote).join(' ');

/** Runs its arguments on a test host of the guest's. */
export const HOST = `${HOME}/host`;

// This kernel's nf_tables has no IPv4: iptables is the legacy one here.
// MODPROBE_OPTIONS (modprobe(8)) makes `modprobe ip_vs` work as on any machine; what the kernel itself asks for goes through a script.
const INIT = `#!/bin/sh
export PATH=${HOME}/bin:${quote(dirname(process.execPath))}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export MODPROBE_OPTIONS='-d ${HOME}' TERM=\${TERM:-linux} LANG=C.UTF-8 VIPMESH_TEST_GUEST=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
hostname guest
ip link set lo up
echo ${HOME}/modprobe >/proc/sys/kernel/modprobe
modprobe -a ${MODULES.join(' ')}
cd ${quote(process.cwd())}
. ${HOME}/main
`;

const MODPROBE = `#!/bin/sh
exec /sbin/modprobe -d ${HOME} "$@"
`;

/** Runs what comes over the serial line, one command after another: a number and a line of shell. Says when one has ended, and with what. */
export function serveCommands(token: string): string {
  return `stty raw -echo </dev/ttyS0
exec 3<>/dev/ttyS0
printf '\\n${token} ready 0 0\\n' >&3
while read -r number line <&3; do
  (eval "$line") </dev/null >&3 2>&1 3>&-
  printf '\\n${token} end %s %s\\n' "$number" $? >&3
done
`;
}

/** Runs one command on the console's terminal, and powers the guest off. */
export function runOnConsole(command: readonly string[]): string {
  return `setsid --ctty --wait ${HOST} ${quoteAll(command)} </dev/tty0 >/dev/tty0 2>&1
echo o >/proc/sysrq-trigger; sleep 60
`;
}

/**
 * The command that starts the kernel, to be run on a test host (startOnHost).
 * @param main what init does in the end, see above
 * @param memory MiB; taken from the machine as the guest uses it
 */
export function kernelCommand(main: string, memory: number, options: readonly string[]): string[] {
  const files = { init: INIT, modprobe: MODPROBE, host: `#!/bin/sh\nexec ${quoteAll(hostCommand('root', []))} "$@"\n`, main };
  const prepare = `set -e
mkdir /run/modules
mount --bind ${HOME}/modules /run/modules
mount -t tmpfs -o mode=0755 tmpfs ${HOME}
mkdir -p ${HOME}/lib/modules ${HOME}/bin
for name in iptables iptables-save iptables-restore; do ln -s "$(PATH="$PATH:/usr/sbin:/sbin" command -v iptables-legacy)" ${HOME}/bin/$name; done
mount --bind /run/modules ${HOME}/lib/modules
${Object.entries(files).map(([name, text]) => `printf %s ${quote(text)} >${HOME}/${name}; chmod +x ${HOME}/${name}`).join('\n')}
ulimit -c 0
exec "$@"`;
  const root = ['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', `init=${HOME}/init`];
  return ['sh', '-c', prepare, 'sh', 'linux.uml', `mem=${memory}M`, ...root, 'con=null', 'quiet', 'oops=panic', ...options];
}
