/** A driver for tests of what agent/offload tells one: it installs nothing. */
import type { InstalledService, KernelCount, KernelFlow, OffloadDriver, OffloadPlan } from '../../../../kernel/offload/driver.js';
import type { OffloadError } from '../../../../kernel/offload/driver.js';

/** Notes what it is told. What is really installed is the drivers' own test (test/contract/offload-driver.ts). */
export class NotingDriver implements OffloadDriver {
  readonly name = 'nft';
  readonly told: string[] = [];
  /** Marks that each plan says it changes. */
  readonly noted: (readonly number[] | undefined)[] = [];
  left: InstalledService[] = [];
  problems: string[] = [];
  failure: OffloadError | undefined;
  kernelCounts: KernelCount[] = [];

  refuses = (): undefined => undefined;
  set(plan: OffloadPlan): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    this.noted.push(plan.since && [...plan.since.changes.keys()]);
    const services = plan.services.map(({ mark, phase, endpoints }) => `${mark} ${phase} ${endpoints.map(({ address, weight }) => `${address}*${weight}`).join(',')}`);
    this.told.push(`set ${services.join('; ')}`.trimEnd());
    return Promise.resolve();
  }
  touched = (): boolean => this.problems.length > 0;
  verify = (): Promise<string[]> => Promise.resolve(this.problems.splice(0));
  keep(flows: readonly { readonly client: string; readonly balancerPort: number }[]): Promise<void> {
    this.told.push(`keep ${flows.map(({ client, balancerPort }) => `${client} ${balancerPort}`).join(',')}`);
    return Promise.resolve();
  }
  installed = (): Promise<InstalledService[]> => Promise.resolve(this.left);
  flows = (): Promise<[]> => Promise.resolve([]);
  /** Of every service. */
  established: KernelFlow[] = [];
  connections(marks: readonly number[]): Promise<KernelFlow[]> {
    this.told.push(`connections ${marks.join(',')}`);
    return Promise.resolve(this.established);
  }
  counts = (): Promise<KernelCount[]> => Promise.resolve(this.kernelCounts);
  end(mark: number, { address }: { readonly address: string }): Promise<[]> {
    this.told.push(`end ${mark} ${address}`);
    return Promise.resolve([]);
  }
  show = (mark: number): string[] => [`# ${mark}`];
  remove(): Promise<void> {
    this.told.push('remove');
    return Promise.resolve();
  }
}
