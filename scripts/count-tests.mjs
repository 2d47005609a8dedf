// Adds up what ava reported. Each argument is `FILE:CODE`: its output, as its default reporter writes it without a terminal,
// and its exit code. Prints `N passed, N failed, N skipped`; ends with 1 when anything failed. `failed:N` adds N failures
// of steps that are not tests.
import { readFileSync } from 'node:fs';

const total = { passed: 0, failed: 0, skipped: 0 };

for (const argument of process.argv.slice(2)) {
  const [name, number] = [argument.slice(0, argument.lastIndexOf(':')), Number(argument.slice(argument.lastIndexOf(':') + 1))];
  if (name === 'failed') {
    total.failed += number;
    continue;
  }
  const run = count(readFileSync(name, 'utf8'));
  // A run that ended badly without a failed test did not get to its tests.
  if (number !== 0 && run.failed === 0) run.failed = 1;
  for (const kind of Object.keys(total)) total[kind] += run[kind];
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

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
