/**
 * `npm run fuzz -- [--seed n] [--iterations n] [target…]`: runs the fuzz targets and prints what became of the inputs.
 * Without a seed one is drawn; it is printed, so that a find can be had again. Exit code 1 with a find.
 */
import { parseArgs } from 'node:util';
import { fuzzDns } from './dns.js';
import { fuzzPipeline } from './pipeline.js';
import { fuzzSim } from '../sim/history.js';

type Target = (seed: number, iterations: number) => Record<string, number> | Promise<Record<string, number>>;

const TARGETS: Readonly<Record<string, Target>> = { pipeline: fuzzPipeline, dns: fuzzDns, sim: fuzzSim };

const { values, positionals } = parseArgs({ options: { seed: { type: 'string' }, iterations: { type: 'string' } }, allowPositionals: true });
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
const iterations = Number(values.iterations ?? 200_000);
const unknown = positionals.filter((name) => !(name in TARGETS));
if (!Number.isInteger(seed) || !Number.isInteger(iterations) || iterations < 1 || unknown.length > 0) {
  console.error(`usage: npm run fuzz -- [--seed n] [--iterations n] [${Object.keys(TARGETS).join('|')}]…`);
  process.exit(2);
}

for (const [name, target] of Object.entries(TARGETS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  console.log(`${name}: ${iterations} inputs, --seed ${seed}`);
  try {
    console.log(await target(seed, iterations));
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
