/**
 * What main.ts starts in the private host: `node inside.js OPTIONS-AS-JSON`. Progress goes to standard error, the report as JSON
 * to standard output. Files are for the parent to write: /run here is not the /run of whoever asks.
 */
import { connectionLimit } from './limits.js';
import { describeMachine } from './machine.js';
import type { Report } from './measure/report.js';
import type { Options } from './options.js';
import { Session } from './session.js';

/** Connections that are in use beside the held ones, and descriptors that HAProxy keeps for its pipes. */
const BESIDE_HELD = 1200;

/** A load above this is not only what was there a moment ago. */
const BUSY = 0.5;

const asked = JSON.parse(process.argv[2] ?? '') as Options;
// The same number is held through every peer, also through those that need no descriptors.
const options: Options = { ...asked, held: Math.min(asked.held, connectionLimit() - BESIDE_HELD) };
const begin = performance.now();
const elapsed = (): number => (performance.now() - begin) / 1000;
const session = new Session(options, (line) => process.stderr.write(`${elapsed().toFixed(0).padStart(4)} s  ${line}\n`));
if (options.held < asked.held) process.stderr.write(`bench: a process may not have enough descriptors here: ${options.held} connections are held, not ${asked.held}\n`);
const machine = await describeMachine();
if (machine.load > BUSY) process.stderr.write(`bench: the machine is busy (load ${machine.load.toFixed(1)}): what follows measures that, too\n`);
const findings = await session.run();
const { rounds, seconds, rate, held, flows, seed } = options;
const report: Report = {
  date: new Date().toISOString(),
  machine,
  settings: { rounds, seconds, rate, held, flows, seed },
  ...findings,
  seconds: elapsed(),
};
process.stdout.write(JSON.stringify(report), () => process.exit(0));
