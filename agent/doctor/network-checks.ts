/**
 * Checks of what packets go through: the underlay, VXLAN, io_uring, uplinks, packet filters, IPVS and kernel offload. Pure.
 */
import type { Capability, Lack } from '../../kernel/offload/capability.js';
import { VXLAN_HEADERS } from '../../overlay/vxlan/fabric.js';
import type { DoctorCheck } from '../control.js';
import { packageRemedy, type Trial } from '../lifecycle/modes.js';
import { check, missing, ok, partial, type Checked } from './check.js';
import type { DoctorFacts, IptablesFacts, IpvsFacts, NftablesFacts, UplinkFacts } from './facts.js';

/** RFC 791: every host takes packets of this size. */
const LEAST_MTU = 576;

const OFFLOAD_NEEDS: Readonly<Record<Capability['driver'], string>> = {
  ipvs: 'balancing in the kernel by iptables marks and IPVS, as root',
  nft: 'balancing in the kernel by nftables, also rootless',
};

export function networkChecks(facts: DoctorFacts): DoctorCheck[] {
  return [
    check('io_uring', 'packets with fewer system calls', uring(facts.uringObstacle)),
    check('resolvers', 'names outside the overlay networks', resolvers(facts.resolvers)),
    check('underlay MTU', 'the size of packets on overlay networks', underlay(facts.underlayMtu)),
    check('VXLAN', 'packets between nodes; where the kernel has none, and rootless, in userspace', vxlan(facts.vxlan)),
    check('uplink', 'the way of rootless tasks to the outside', uplink(facts)),
    check('iptables', 'offload driver ipvs', iptables(facts.iptables)),
    check('nftables', 'several nodes, the uplink, offload driver nft', nftables(facts.nftables)),
    check('ip_vs', 'offload driver ipvs', ipvs(facts.ipvs)),
    ...facts.offload.map((capability) => check(`offload ${capability.driver}`, OFFLOAD_NEEDS[capability.driver], offload(capability))),
    check('offload ports', 'published ports in the kernel, as root', ports(facts.portObstacles)),
    check('offload marks', 'telling flows of the kernel from those of userspace', lacking(facts.markUsers, 'nobody else uses marks in a sandbox')),
    check('offload resets', 'telling idle clients at once that their endpoint in the kernel is gone', resets(facts.rawObstacle)),
  ];
}

function uring(obstacle: string | undefined): Checked {
  if (obstacle === undefined) return ok('can be used');
  const remedy = /sysctl/.test(obstacle)
    ? 'sysctl -w kernel.io_uring_disabled=0'
    : /seccomp/.test(obstacle)
      ? 'allow io_uring_setup, io_uring_enter and io_uring_register in the container’s seccomp profile'
      : 'Linux 6.7 or newer, with CONFIG_IO_URING';
  return partial(`${obstacle}: packets are read and written one by one`, remedy);
}

function resolvers(addresses: readonly string[]): Checked {
  return addresses.length > 0 ? ok(addresses.join(', ')) : partial('/etc/resolv.conf names none that can be asked: tasks resolve services only', 'add a nameserver line to /etc/resolv.conf');
}

function underlay(mtu: DoctorFacts['underlayMtu']): Checked {
  if (typeof mtu !== 'number') return partial(`not known: ${mtu.failed}`, 'give the host a route to the other nodes');
  return mtu - VXLAN_HEADERS >= LEAST_MTU
    ? ok(`${mtu}, so ${mtu - VXLAN_HEADERS} on overlay networks`)
    : partial(`${mtu} is too small for an overlay network`, `raise it to ${LEAST_MTU + VXLAN_HEADERS} or more`);
}

function vxlan(trial: Trial): Checked {
  if (trial === 'ok') return ok('the kernel makes devices');
  if (trial === 'not tried') return partial('cannot be tried without a network namespace');
  return partial(`the kernel makes no device (${trial.failed})`, 'modprobe vxlan');
}

function uplink({ uplinks, nftables: { trial } }: DoctorFacts): Checked {
  const found = Object.entries(uplinks satisfies UplinkFacts).map(([name, version]: [string, string]) => (version.startsWith(name) ? version : `${name} (${version})`));
  if (found.length === 0) return missing('neither pasta nor slirp4netns: tasks reach their networks alone', packageRemedy('passt'));
  if (typeof trial === 'object') return partial(`${found.join(', ')}, but nftables does not work, which is to translate addresses`, packageRemedy('nftables'));
  return ok(found.join(', '));
}

function iptables({ version, flavours, ruled }: IptablesFacts): Checked {
  if (version === undefined) return missing(flavours.length === 0 ? 'not found' : `only iptables-${flavours.join(', iptables-')}`, flavours.length === 0 ? packageRemedy('iptables') : 'update-alternatives --auto iptables');
  const installed = `${version}, the default${flavours.length > 1 ? ` of ${flavours.join(' and ')}` : ''}`;
  if (ruled === undefined) return ok(`${installed}; whose rules are there, only root sees`);
  if (ruled.length > 1) {
    return partial(
      `${installed}; both have rules, and neither sees the other’s`,
      'iptables-legacy-save | iptables-nft-restore --noflush && for t in $(cat /proc/net/ip_tables_names); do iptables-legacy -t $t -F; done',
    );
  }
  return ok(`${installed}; ${ruled.length === 0 ? 'no rules' : `rules in ${ruled.join('')}`}`);
}

function nftables({ version, trial }: NftablesFacts): Checked {
  if (version === undefined) return missing('not found', packageRemedy('nftables'));
  if (typeof trial === 'object') return missing(`${version}, but it cannot set rules (${trial.failed})`, 'modprobe -a nf_tables nft_chain_nat nft_masq, or use a kernel that has them');
  return trial === 'ok' ? ok(`${version}, can set rules`) : partial(`${version}; cannot be tried without a network namespace`);
}

function ipvs({ module, schedulers }: IpvsFacts): Checked {
  const all = 'modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh';
  if (module === 'not there') return missing('this kernel has no IPVS', 'none is needed with --offload-driver nft; else use a kernel with CONFIG_IP_VS');
  if (module === 'not known') return partial('not loaded, and this kernel’s modules are not here', `${all} (in a container: on its host)`);
  return schedulers.length === 0 ? missing(`${module}, without a scheduler that we know`, all) : ok(`${module}; schedulers ${schedulers.join(' ')}`);
}

function offload({ lacks, schedulers, tools }: Capability): Checked {
  if (lacks.length === 0) return ok(`${tools.join(', ')}; schedulers ${schedulers.join(' ')}`);
  return missing(lacks.map(({ reason }) => reason).join('; '), remediesOf(lacks));
}

function ports(obstacles: readonly Lack[] | undefined): Checked {
  if (obstacles === undefined) return partial('a rootless agent does not see the network of the host: the relay serves published ports');
  return lacking(obstacles, 'nothing on this host is in their way');
}

/** What goes on in userspace. */
function lacking(lacks: readonly Lack[], otherwise: string): Checked {
  return lacks.length === 0 ? ok(otherwise) : partial(lacks.map(({ reason }) => reason).join('; '), remediesOf(lacks));
}

function remediesOf(lacks: readonly Lack[]): string | undefined {
  const remedies = lacks.flatMap(({ remedy }) => remedy ?? []);
  return remedies.length > 0 ? remedies.join('\n') : undefined;
}

function resets(obstacle: string | undefined): Checked {
  if (obstacle === undefined) return ok('raw-socket is there');
  return missing(`${obstacle}: they notice with their next packet, and those that send nothing wait for their own time-outs`, 'install g++, make and the headers of Node, then vipmesh again');
}
