/**
 * `npm run bench:micro`: what the parts of the packet path cost by themselves.
 *
 *   npm run bench:micro -- [wire|flow|sched|pipeline|memory|garbage …] [--quick] [--json FILE]
 *
 * Medians of nine rounds (three with --quick) with the fastest and the slowest. The machine's speed drifts: compare rows of
 * one run with each other, not with another run. How to read it: perf/micro/README.md.
 */
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { flow } from './flow.js';
import type { Effort } from './harness.js';
import { wholePath } from './pipeline.js';
import { garbage, memory } from './process.js';
import { isReached, renderResults, type Result } from './result.js';
import { sched } from './sched.js';
import { wire } from './wire.js';

const FULL: Effort = { rounds: 9, roundMs: 40 };
const QUICK: Effort = { rounds: 3, roundMs: 10 };

type Topic = (effort: Effort) => Result[] | Promise<Result[]>;

const TOPICS: Readonly<Record<string, Topic>> = {
  wire,
  flow,
  sched,
  pipeline: wholePath,
  memory,
  garbage: (effort) => garbage(effort === QUICK ? 2 : 10),
};

const USAGE = `usage: npm run bench:micro -- [${Object.keys(TOPICS).join('|')} …] [--quick] [--json FILE]`;

const HELP = `${USAGE}

What the parts of the packet path cost by themselves: each step of the packet path, the whole of it, memory for each flow,
garbage per packet. Without a topic, all of them, one table each: medians with the fastest and the slowest round.

  --quick      ${QUICK.rounds} short rounds instead of ${FULL.rounds}. For a look, not for a decision
  --json FILE  everything that was measured
  --help       this text

Compare rows of one run with each other, not with another run: perf/micro/README.md
`;

interface Wanted {
  readonly topics: readonly string[];
  readonly effort: Effort;
  readonly json: string | undefined;
}

/** undefined: help is wanted. */
function wanted(): Wanted | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, json: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) return undefined;
  const stranger = positionals.find((name) => !Object.hasOwn(TOPICS, name));
  if (stranger !== undefined) throw new Error(`no such topic: ${stranger}`);
  return { topics: positionals.length === 0 ? Object.keys(TOPICS) : positionals, effort: values.quick ? QUICK : FULL, json: values.json };
}

async function main(): Promise<number> {
  let want: ReturnType<typeof wanted>;
  try {
    want = wanted();
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  if (!want) {
    process.stdout.write(HELP);
    return 0;
  }
  const machine = { node: process.version, cpu: os.cpus()[0]?.model ?? 'unknown', cpus: os.cpus().length };
  console.log(`Node ${machine.node}, ${machine.cpus} × ${machine.cpu}; load ${os.loadavg().map((value) => value.toFixed(1)).join(' ')}\n`);
  const results: Result[] = [];
  for (const topic of want.topics) {
    const found = (await TOPICS[topic]?.(want.effort)) ?? [];
    results.push(...found);
    console.log(`${renderResults(found)}\n`);
  }
  if (want.json !== undefined) writeFileSync(want.json, `${JSON.stringify({ machine, ...want.effort, results }, null, 2)}\n`);
  const missed = results.filter((result) => isReached(result) === false);
  if (missed.length > 0) console.log(`missed: ${missed.map(({ topic, name }) => `${topic}: ${name}`).join('; ')}`);
  return 0;
}

process.exit(await main());
