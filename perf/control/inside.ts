/**
 * What main.ts starts in the private host: `node inside.js OPTIONS-AS-JSON`. Progress goes to standard error, the report as JSON
 * to standard output. A topic that fails is named, and the others are measured.
 */
import os from 'node:os';
import { agent } from './agent.js';
import { ipvs } from './ipvs.js';
import { nft } from './nft.js';
import type { Options, TopicName } from './options.js';
import type { ControlReport, Row } from './result.js';
import type { Effort } from './topic.js';

const MEASURE: Readonly<Record<TopicName, (effort: Effort) => Promise<Row[]>>> = { nft, agent, ipvs };

const { topics, sizes, rounds, changes } = JSON.parse(process.argv[2] ?? '') as Options;
const begin = performance.now();
const say = (line: string): void => void process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
const machine = `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'}, Linux ${os.release()}, Node ${process.version}, load ${(os.loadavg()[0] ?? 0).toFixed(1)} before`;
const rows: Row[] = [];
const failures: string[] = [];
for (const topic of topics) {
  try {
    rows.push(...(await MEASURE[topic]({ sizes, rounds, changes, say })));
  } catch (error) {
    failures.push(`${topic}: ${error instanceof Error ? error.message : String(error)}`);
    say(`FAILED: ${failures.at(-1)}`);
  }
}
const report: ControlReport = { date: new Date().toISOString(), machine, sizes, rounds, rows, failures };
process.stdout.write(JSON.stringify(report), () => process.exit(0));
