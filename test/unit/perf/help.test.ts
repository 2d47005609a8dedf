import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

for (const [name, words] of [
  ['micro', ['wire|flow|sched|pipeline|memory|garbage', '--quick', '--json FILE']],
  ['profile', ['cpu|doctor|flame|bubbleprof', '--seconds N', '--rows N']],
] as const) {
  test(`perf/${name} explains itself and measures nothing`, async (t) => {
    const main = fileURLToPath(new URL(`../../../perf/${name}/main.js`, import.meta.url));
    for (const flag of ['--help', '-h']) {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, flag]);
      t.is(stderr, '');
      t.true(stdout.startsWith('usage: npm run '), stdout);
      for (const word of words) t.true(stdout.includes(word), word);
    }
  });
}
