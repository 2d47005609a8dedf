/**
 * `vipmesh doctor`: looks at this host and says what is missing, and which modes can run. Needs no agent.
 */
import { release } from 'node:os';
import { ownNamespace } from '../../kernel/netns/netns.js';
import { probeIpvs, type Capability, type Lack } from '../../kernel/offload/capability.js';
import { hostObstacles } from '../../kernel/offload/host-obstacle.js';
import { HostProbe } from '../../kernel/offload/host-probe.js';
import { findMarkUsers } from '../../kernel/offload/mark-users.js';
import { probeNft } from '../../kernel/offload/nft-capability.js';
import { rawObstacle } from '../../kernel/raw/raw.js';
import { whyNoIoUring } from '../../kernel/uring/available.js';
import { systemClock } from '../../proxy/time/clock.js';
import type { StoreSettings } from '../cluster/settings.js';
import type { DoctorCheck, StoreInfo } from '../control.js';
import { LocalGateway } from '../gateway/local.js';
import { ResolvConf } from '../gateway/resolv-conf.js';
import { findFacts, readSysctl } from '../lifecycle/facts.js';
import type { HostFacts } from '../lifecycle/modes.js';
import { ROOT_NAMESPACES } from '../lifecycle/paths.js';
import { doctorChecks } from './checks.js';
import type { DoctorFacts, UplinkFacts } from './facts.js';
import { findIptables, findIpvs, findNftables, findVxlan, versionOf } from './find-filters.js';
import { appArmorIsAtWork, findNamespaces } from './find-namespaces.js';
import { askStore, findClock } from './find-store.js';

export interface DoctorOptions {
  /** A store to be asked, as `up` would. */
  readonly store?: StoreSettings;
  /** What the agent that runs here says of its own, where none was named. */
  readonly agentStore?: StoreInfo;
}

export async function doctor(options: DoctorOptions = {}): Promise<DoctorCheck[]> {
  // Before anything is tried, which takes namespaces of its own.
  const namespacesSeen = findNamespaces();
  const store = options.store === undefined ? options.agentStore : await askStore(options.store);
  const host = await findFacts();
  const [iproute2, utilLinux, underlayMtu, noRaw, vxlan, clock, uplinks, iptables, nftables, ...offload] = await Promise.all([
    versionOf('ip', '-V'),
    versionOf('unshare'),
    findUnderlayMtu(),
    rawObstacle(),
    findVxlan(host),
    findClock(store),
    findUplinks(),
    findIptables(host.uid),
    findNftables(host),
    probeIpvs(),
    probeNft(),
  ]);
  return doctorChecks({
    host,
    kernel: release(),
    node: process.versions.node,
    iproute2,
    utilLinux,
    namespacesSeen,
    appArmor: appArmorIsAtWork(),
    unprivilegedPortStart: readSysctl('net.ipv4.ip_unprivileged_port_start'),
    resolvers: new ResolvConf().servers(),
    underlayMtu,
    vxlan,
    uringObstacle: whyNoIoUring(),
    store,
    clock,
    uplinks,
    iptables,
    nftables,
    ipvs: findIpvs(offload),
    offload,
    ...(await published(host, offload)),
    rawObstacle: noRaw,
  });
}

async function findUplinks(): Promise<UplinkFacts> {
  const [pasta, slirp4netns] = await Promise.all([versionOf('pasta'), versionOf('slirp4netns')]);
  return { ...(pasta !== undefined && { pasta }), ...(slirp4netns !== undefined && { slirp4netns }) };
}

async function published({ uid, missingCapabilities }: HostFacts, offload: readonly Capability[]): Promise<Pick<DoctorFacts, 'portObstacles' | 'markUsers'>> {
  // Root of a container is often root in name only, and its agent rootless as anybody's.
  if (uid !== 0 || missingCapabilities.length > 0) return { portObstacles: undefined, markUsers: [] };
  const driver = offload.find(({ lacks }) => lacks.length === 0)?.driver ?? 'nft';
  const host = ownNamespace();
  try {
    const [portObstacles, markUsers] = await Promise.all([new HostProbe(host, undefined, systemClock).facts().then((facts) => hostObstacles(facts, driver)), findMarkUsers(ROOT_NAMESPACES).catch((): Lack[] => [])]);
    return { portObstacles, markUsers };
  } finally {
    host.close();
  }
}

async function findUnderlayMtu(): Promise<DoctorFacts['underlayMtu']> {
  const gateway = new LocalGateway();
  try {
    return await gateway.underlayMtu();
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  } finally {
    await gateway.close();
  }
}
