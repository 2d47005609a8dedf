/**
 * `vipmesh doctor`: looks at this host and says which modes can run, and what is missing for the rest. Needs no agent.
 */
import { release } from 'node:os';
import { probeIpvs } from '../../kernel/offload/capability.js';
import { probeNft } from '../../kernel/offload/nft-capability.js';
import { rawObstacle } from '../../kernel/raw/raw.js';
import { run } from '../../kernel/run/runner.js';
import type { DoctorCheck } from '../control.js';
import { LocalGateway } from '../gateway/local.js';
import { ResolvConf } from '../gateway/resolv-conf.js';
import { findFacts, readSysctl } from '../lifecycle/facts.js';
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
    rawObstacle: noRaw,
  });
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
