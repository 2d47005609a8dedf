/**
 * What main.ts starts in the private host: `node inside.js OPTIONS-AS-JSON`. Progress goes to standard error, the report as JSON
 * to standard output. A topic that fails is named, and the others are measured.
 */
import os from 'node:os';
import { change } from './change.js';
import { memory } from './memory.js';
import type { Options, TopicName } from './options.js';
import type { ClusterReport, Row } from './result.js';
import { throughput } from './throughput.js';

export interface Effort extends Options {
  readonly say: (line: string) => void;
}

const MEASURE: Readonly<Record<TopicName, (effort: Effort) => Promise<Row[]>>> = { change, memory, throughput };

const options = JSON.parse(process.argv[2] ?? '') as Options;
const begin = performance.now();
const say = (line: string): void => void process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
const machine = `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'}, Linux ${os.release()}, Node ${process.version}, load ${(os.loadavg()[0] ?? 0).toFixed(1)} before`;
const rows: Row[] = [];
const failures: string[] = [];
for (const topic of options.topics) {
  try {
    rows.push(...(await MEASURE[topic]({ ...options, say })));
  } catch (error) {
    failures.push(`${topic}: ${error instanceof Error ? error.message : String(error)}`);
    say(`FAILED: ${failures.at(-1)}`);
  }
}
const report: ClusterReport = { date: new Date().toISOString(), machine, options, rows, failures };
process.stdout.write(JSON.stringify(report), () => process.exit(0));
