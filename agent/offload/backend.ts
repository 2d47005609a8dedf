/** Which driver this node has: the one that was asked for, or the first that this kernel can do. */
import { probeIpvs, type Capability } from '../../kernel/offload/capability.js';
import type { DriverName, OpenDriver } from '../../kernel/offload/driver.js';
import { IpvsDriver } from '../../kernel/offload/ipvs-driver.js';
import { probeNft } from '../../kernel/offload/nft-capability.js';
import { NftDriver } from '../../kernel/offload/nft-driver.js';
import type { OffloadSettings } from './settings.js';

/** How this host offloads, or why it does not. */
export type OffloadBackend = { readonly open: OpenDriver; readonly schedulers: Capability['schedulers'] } | { readonly because: string };

interface Known {
  readonly probe: () => Promise<Capability>;
  readonly open: OpenDriver;
}

const DRIVERS: Readonly<Record<DriverName, Known>> = {
  ipvs: { probe: () => probeIpvs(), open: (namespace, options) => new IpvsDriver(namespace, options) },
  nft: { probe: () => probeNft(), open: (namespace, options) => new NftDriver(namespace, options) },
};

/** Why the driver that was asked for by its name cannot be had, to be told at once; undefined: it can, or none was asked for. */
export async function driverProblem({ mode, driver }: Pick<OffloadSettings, 'mode' | 'driver'>, backend: () => Promise<OffloadBackend>): Promise<string | undefined> {
  if (driver === 'auto' || mode === 'never') return undefined;
  const found = await backend();
  return 'because' in found ? found.because : undefined;
}

export async function chooseBackend({ driver }: Pick<OffloadSettings, 'driver'>, drivers = DRIVERS): Promise<OffloadBackend> {
  const lacking: string[] = [];
  for (const name of driver === 'auto' ? (['ipvs', 'nft'] as const) : [driver]) {
    const { probe, open } = drivers[name];
    const { lacks, schedulers } = await probe();
    const [lack] = lacks;
    if (lack === undefined) return { open, schedulers };
    lacking.push(`${name}: ${lack.reason}${lack.remedy === undefined ? '' : ` (${lack.remedy})`}`);
  }
  return { because: lacking.join('; ') };
}
