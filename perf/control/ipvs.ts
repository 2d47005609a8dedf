/**
 * The driver `ipvs` without the tools: what a plan costs to be turned into batches, and what is there to be read back. No
 * process and no system call, so it runs where the kernel has no IPVS. CPU time of this process.
 */
import { renderBatch } from '../../kernel/iptables/chains.js';
import { relevantLines, readTables } from '../../kernel/iptables/read.js';
import { readServices } from '../../kernel/ipvs/read.js';
import { faultsOf, incrementalChange, notedServices, Uses, wholeChange, type Change, type Present } from '../../kernel/offload/ipvs-change.js';
import { TABLES } from '../../kernel/offload/ipvs-layout.js';
import { readMarkRoutes } from '../../kernel/offload/policy-route.js';
import { PlanSeries } from '../../kernel/offload/plans.js';
import { measure, type Case } from '../micro/harness.js';
import { printedFor } from './printed.js';
import type { Row } from './result.js';
import { BASE, Changes, installation, markOf, serviceOf, servicesOf } from './services.js';
import { LIMIT, type Effort } from './topic.js';

const TOPIC = 'IPVS, batches and read-back, without the tools';
/** Services that an operation of the larger cases goes over, so that a round has some milliseconds. */
const SERVICES_A_ROUND = 20_000;
const CHANGES_A_ROUND = 2000;

const NOTHING: Present = { tables: new Map(), services: new Map(), blocks: [], vips: [] };

export async function ipvs({ sizes, rounds, say }: Effort): Promise<Row[]> {
  const rows: Row[] = [];
  const add = (name: string, unit: Row['unit'], cases: readonly Case[], atMost?: number): void => {
    say(`ipvs, ${name}`);
    const times = measure(cases, { rounds, roundMs: 0 });
    const samples = times.map((values) => values.map((nanoseconds) => nanoseconds / (unit === 'ms' ? 1e6 : 1e3)));
    rows.push({ topic: TOPIC, name, unit, samples, ...(atMost !== undefined && { atMost }) });
  };
  const repeat = (name: string, count: number, once: () => number): Case => ({
    name,
    operations: Math.max(1, Math.round(SERVICES_A_ROUND / count)),
    run(operations) {
      let sum = 0;
      for (let done = 0; done < operations; done++) sum += once();
      return sum;
    },
  });

  add('batches to install all', 'ms', sizes.map((count) => repeat('install', count, () => render(wholeChange(NOTHING, new PlanSeries(BASE).next(installation(count)))))));
  add('batches to change one endpoint', 'µs', sizes.map(changing), LIMIT);
  add('batches to remove all', 'ms', sizes.map((count) => {
    const services = new Map(servicesOf(count).map((service) => [service.mark, service]));
    const gone = new Map([...services.keys()].map((mark) => [mark, undefined]));
    return repeat('remove', count, () => render(incrementalChange(notedServices(services, gone), Uses.of(services.values()))));
  }));
  const readings: Case[] = [];
  for (const count of sizes) {
    const plan = new PlanSeries(BASE).next(installation(count));
    const printed = await printedFor(plan);
    readings.push(repeat('read', count, () => {
      const tables = readTables(printed.xml);
      const { blocks, vips } = readMarkRoutes(printed.rules, printed.routes);
      const services = new Map(readServices(printed.services, printed.thresholds).map((service) => [service.mark, service]));
      const faults = faultsOf({ tables, services, blocks, vips }, plan);
      if (faults.length > 0) throw new Error(`read back otherwise than it was printed: ${faults.slice(0, 3).join('; ')}`);
      return relevantLines(printed.saved, TABLES).length;
    }));
  }
  add('read back and compare', 'ms', readings);
  return rows;
}

/** One service after the other gets another endpoint; what there is stays as large as it was. */
function changing(count: number): Case {
  const series = new PlanSeries(BASE);
  const first = series.next(installation(count));
  const installed = new Map(first.services.map((service) => [service.mark, service]));
  const uses = Uses.of(first.services);
  const next = new Changes(count);
  return {
    name: 'change',
    operations: CHANGES_A_ROUND,
    run(operations) {
      let sum = 0;
      for (let done = 0; done < operations; done++) {
        const { index, turn } = next.next();
        const { changes } = series.next(new Map([[markOf(index), serviceOf(index, turn)]])).since!;
        sum += render(incrementalChange(notedServices(installed, changes), uses));
        for (const [mark, service] of changes) installed.set(mark, service!);
      }
      return sum;
    },
  };
}

/** As the driver gives them to the tools. Answers how much there is. */
function render({ ipvsFirst, routesFirst, tables, routesLast, ipvsLast }: Change): number {
  return [ipvsFirst, routesFirst, routesLast, ipvsLast].reduce((sum, lines) => sum + lines.join('\n').length, renderBatch(tables).length);
}
