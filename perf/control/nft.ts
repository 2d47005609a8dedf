/**
 * The driver `nft` on the kernel that is there: a namespace for each number of services, whose changes take turns.
 */
import { createNamespace } from '../../kernel/netns/netns.js';
import { NftDriver } from '../../kernel/offload/nft-driver.js';
import { PlanSeries } from '../../kernel/offload/plans.js';
import type { Row } from './result.js';
import { BASE, Changes, installation, markOf, serviceOf } from './services.js';
import { Stopwatch } from './stopwatch.js';
import { LIMIT, NAMESPACES, type Effort } from './topic.js';

const TOPIC = 'nftables, installed by the driver';

export async function nft({ sizes, rounds, changes, say }: Effort): Promise<Row[]> {
  const watch = (name: string, atMost?: number): Stopwatch => new Stopwatch({ topic: TOPIC, name, unit: 'ms', ...(atMost !== undefined && { atMost }) }, sizes.length);
  const [install, change, read, remove] = [watch('install all'), watch('change one endpoint', LIMIT), watch('read back and compare'), watch('remove all')];
  for (let round = 1; round <= rounds; round++) {
    say(`nft, round ${round} of ${rounds}`);
    for (const each of [install, change, read, remove]) each.round();
    const sandboxes = sizes.map((count, size) => {
      const namespace = createNamespace(NAMESPACES, `nft-${size}`);
      return { count, size, namespace, driver: new NftDriver(namespace), series: new PlanSeries(BASE), next: new Changes(count) };
    });
    for (const { size, driver, series, count } of sandboxes) await install.time(size, () => driver.set(series.next(installation(count))));
    for (const { size, driver } of sandboxes) await read.time(size, async () => mustBe(await driver.verify()));
    for (let turn = 0; turn < changes; turn++) {
      for (const { size, driver, series, next } of sandboxes) {
        const changed = next.next();
        await change.time(size, () => driver.set(series.next(new Map([[markOf(changed.index), serviceOf(changed.index, changed.turn)]]))));
      }
    }
    for (const { size, driver, namespace } of sandboxes) {
      mustBe(await driver.verify());
      await remove.time(size, () => driver.remove());
      namespace.remove();
    }
  }
  return [install, change, read, remove].map((each) => each.result());
}

function mustBe(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`what was installed is not there: ${faults.slice(0, 3).join('; ')}`);
}
