// Adds up what ava reported. Each argument is `FILE:CODE`: its output, as its default reporter writes it without a terminal,
// and its exit code. Repeats what failed, so that it stands at the end whatever came between, then prints `N passed, N failed,
// N skipped`; ends with 1 when anything failed. `failed:N` adds N failures of steps that are not tests.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** A failed comparison of packets may print thousands of lines. */
const REPEATED_LINES = 120;
const REPEATED_COLUMNS = 300;

const total = { passed: 0, failed: 0, skipped: 0 };

for (const argument of process.argv.slice(2)) {
  const [name, number] = [argument.slice(0, argument.lastIndexOf(':')), Number(argument.slice(argument.lastIndexOf(':') + 1))];
  if (name === 'failed') {
    total.failed += number;
    continue;
  }
  const output = readFileSync(name, 'utf8');
  const run = count(output);
  if (number !== 0) repeat(basename(name, '.out'), output);
  // A run that ended badly without a failed test did not get to its tests.
  if (number !== 0 && run.failed === 0) run.failed = 1;
  for (const kind of Object.keys(total)) total[kind] += run[kind];
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

/** The failed tests by name, then what ava says of each: it stands after the first rule. */
function repeat(name, output) {
  const lines = output.split('\n');
  const details = lines.indexOf('  ─');
  const repeated = [...lines.filter((line) => /^ {2}✘ /.test(line)), ...(details < 0 ? lines.slice(-20) : lines.slice(details))];
  console.log(`== what failed as ${name}`);
  for (const line of repeated.slice(0, REPEATED_LINES)) console.log(line.slice(0, REPEATED_COLUMNS));
  if (repeated.length > REPEATED_LINES) console.log(`(${repeated.length - REPEATED_LINES} more lines: see above)`);
}

/** A test is a line that begins with its mark; what it logged follows, indented further. */
function count(output) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let lastPassed = false;
  for (const line of output.split('\n')) {
    if (/^ {2}✔ /.test(line)) {
      counts.passed += 1;
      lastPassed = true;
    } else if (/^ {2}✘ /.test(line)) {
      // The tests that were pending then are counted below.
      if (!line.includes('Timed out while running tests')) counts.failed += 1;
      lastPassed = false;
    } else if (/^ {2}- \[(skip|todo)\]/.test(line)) {
      counts.skipped += 1;
      lastPassed = false;
    } else if (lastPassed && /^ {4}ℹ skipped: /.test(line)) {
      // test/support/capability.ts: a test that found something missing says so and passes.
      counts.skipped += 1;
      counts.passed -= 1;
      lastPassed = false;
    } else {
      counts.failed += Number(/^ {2}(\d+) tests? remained pending after a timeout/.exec(line)?.[1] ?? 0);
    }
  }
  return counts;
}
