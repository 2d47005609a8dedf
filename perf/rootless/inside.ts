/**
 * What main.ts starts in the private host: `node inside.js OPTIONS-AS-JSON`. Progress goes to standard error, the report as JSON
 * to standard output. The peers exist side by side and take turns, forth and back, so that a slow moment of the machine falls on all.
 */
import os from 'node:os';
import type { Row } from '../cluster/result.js';
import { makeHost } from './host.js';
import type { Options, PeerName } from './options.js';
import { startPeer, type Peer } from './peers.js';
import { rowsOf } from './rows.js';
import { vxlan } from './vxlan.js';
import { WORKS } from './work.js';

export interface RootlessReport {
  readonly date: string;
  readonly machine: string;
  readonly options: Options;
  readonly rows: readonly Row[];
  readonly failures: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? '') as Options;
const begin = performance.now();
const say = (line: string): void => void process.stderr.write(`${((performance.now() - begin) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
const machine = `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'}, Linux ${os.release()}, Node ${process.version}, load ${(os.loadavg()[0] ?? 0).toFixed(1)} before`;
const failures: string[] = [];
const fail = (what: string, error: unknown): void => {
  failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
  say(`FAILED: ${failures.at(-1)}`);
};

const client = await makeHost();
const peers: Peer[] = [];
for (const name of options.peers) {
  say(`${name} is started`);
  try {
    peers.push(await startPeer(name, client));
  } catch (error) {
    fail(name, error);
  }
}

const samples = WORKS.map(() => Object.fromEntries(peers.map(({ name }) => [name, [] as number[]])) as Partial<Record<PeerName, number[]>>);
for (let round = 1; peers.length > 0 && round <= options.rounds; round++) {
  for (const [index, work] of WORKS.entries()) {
    say(`round ${round} of ${options.rounds}: ${work.title}`);
    for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
      const value = await work.measure(peer, client, options.seconds).catch((error: unknown) => {
        fail(`${peer.name}, ${work.title}`, error);
        return Number.NaN;
      });
      samples[index]?.[peer.name]?.push(value);
    }
  }
}
const rows = peers.length === 0 ? [] : WORKS.flatMap((work, index) => rowsOf(work, samples[index] ?? {}));
if (options.vxlan) rows.push(...(await vxlan(options, say).catch((error: unknown) => (fail('VXLAN', error), []))));
const report: RootlessReport = { date: new Date().toISOString(), machine, options, rows, failures };
process.stdout.write(JSON.stringify(report), () => process.exit(0));
