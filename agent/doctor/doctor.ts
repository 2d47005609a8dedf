/**
 * `vipmesh doctor`: looks at this host and says which modes can run, and what is missing for the rest. Needs no agent.
 */
import { release } from 'node:os';
import { ownNamespace } from '../../kernel/netns/netns.js';
import { probeIpvs, type Capability, type Lack } from '../../kernel/offload/capability.js';
import { hostObstacles } from '../../kernel/offload/host-obstacle.js';
import { HostProbe } from '../../kernel/offload/host-probe.js';
import { findMarkUsers } from '../../kernel/offload/mark-users.js';
import { probeNft } from '../../kernel/offload/nft-capability.js';
import { rawObstacle } from '../../kernel/raw/raw.js';
import { run } from '../../kernel/run/runner.js';
import { systemClock } from '../../proxy/time/clock.js';
import type { DoctorCheck } from '../control.js';
import { LocalGateway } from '../gateway/local.js';
import { ResolvConf } from '../gateway/resolv-conf.js';
import { findFacts, readSysctl } from '../lifecycle/facts.js';
import { ROOT_NAMESPACES } from '../lifecycle/paths.js';
import { doctorChecks, type DoctorFacts } from './checks.js';

export async function doctor(): Promise<DoctorCheck[]> {
  const [host, iproute2, utilLinux, underlayMtu, noRaw, ...offload] = await Promise.all([
    findFacts(),
    version('ip', '-V'),
    version('unshare', '--version'),
    findUnderlayMtu(),
    rawObstacle(),
    probeIpvs(),
    probeNft(),
  ]);
  return doctorChecks({
    host,
    kernel: release(),
    node: process.versions.node,
    iproute2,
    utilLinux,
    unprivilegedPortStart: readSysctl('net.ipv4.ip_unprivileged_port_start'),
    resolvers: new ResolvConf().servers(),
    underlayMtu,
    offload,
    ...(await published(host.uid, offload)),
    rawObstacle: noRaw,
  });
}

async function published(uid: number, offload: readonly Capability[]): Promise<Pick<DoctorFacts, 'portObstacles' | 'markUsers'>> {
  if (uid !== 0) return { portObstacles: undefined, markUsers: [] };
  const driver = offload.find(({ lacks }) => lacks.length === 0)?.driver ?? 'nft';
  const host = ownNamespace();
  try {
    const [portObstacles, markUsers] = await Promise.all([new HostProbe(host, undefined, systemClock).facts().then((facts) => hostObstacles(facts, driver)), findMarkUsers(ROOT_NAMESPACES).catch((): Lack[] => [])]);
    return { portObstacles, markUsers };
  } finally {
    host.close();
  }
}

async function version(tool: string, option: string): Promise<string | undefined> {
  try {
    return (await run(tool, [option], { timeout: 5000 })).split('\n')[0]?.trim();
  } catch {
    return undefined;
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
