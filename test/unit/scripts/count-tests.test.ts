import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

/** What scripts/count-tests.mjs says of runs, each an output and an exit code. */
function said(t: ExecutionContext, runs: readonly [output: string, code: number][], failedSteps = 0): [text: string, code: number | null] {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-count-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const files = runs.map(([output, code], index) => {
    const file = join(directory, `${index}`);
    writeFileSync(file, output);
    return `${file}:${code}`;
  });
  const { stdout, status } = spawnSync(process.execPath, ['scripts/count-tests.mjs', `failed:${failedSteps}`, ...files], { encoding: 'utf8' });
  return [stdout.trimEnd(), status];
}

/** Its last line. */
function counted(t: ExecutionContext, runs: readonly [output: string, code: number][], failedSteps = 0): [line: string, code: number | null] {
  const [text, code] = said(t, runs, failedSteps);
  return [text.split('\n').at(-1) ?? '', code];
}

const good = `
  ✔ unit › one (1.2s)
    ℹ about something
  ✔ netns › two
    ℹ skipped: needs root, and this is uid 65534
  - [skip] three
  ─

  2 tests passed
  1 test skipped
`;

test('passed and skipped tests of several runs are added up', (t) => {
  t.deepEqual(counted(t, [[good, 0], [good, 0]]), ['2 passed, 0 failed, 4 skipped', 0]);
});

test('a failed test is counted once, although its details come again below', (t) => {
  const output = '  ✔ one\n  ✘ [fail]: two Error\n    ℹ skipped: not this\n  ─\n\n  two\n\n  Error\n\n  1 test failed\n';
  t.deepEqual(counted(t, [[output, 1]]), ['1 passed, 1 failed, 0 skipped', 1]);
});

test('tests that were pending at a timeout have failed', (t) => {
  const output = '  ✔ one\n\n  ✘ Timed out while running tests\n\n  ◌ two\n  ◌ three\n\n  ─\n\n  1 test passed\n  2 tests remained pending after a timeout\n';
  t.deepEqual(counted(t, [[output, 1]]), ['1 passed, 2 failed, 0 skipped', 1]);
});

test('a file that died has failed', (t) => {
  t.deepEqual(counted(t, [['  ✔ one\n\n  ✘ dist/x.test.js exited with a non-zero exit code: 1\n', 1]]), ['1 passed, 1 failed, 0 skipped', 1]);
});

test('a run that ended badly without a test has failed, and so has a step before', (t) => {
  t.deepEqual(counted(t, [['error TS2307\n', 2]]), ['0 passed, 1 failed, 0 skipped', 1]);
  t.deepEqual(counted(t, [[good, 0]], 2), ['1 passed, 2 failed, 2 skipped', 1]);
});

test('nothing at all is no success', (t) => {
  t.deepEqual(counted(t, []), ['0 passed, 0 failed, 0 skipped', 1]);
});

test('what failed is said again before the count: by name, then what ava says of it; long ones shortened', (t) => {
  const details = Array.from({ length: 200 }, (_, line) => `  ${line} ${'x'.repeat(400)}`).join('\n');
  const output = `  ✔ one\n  ✘ [fail]: two Error\n    ℹ a log\n  ✔ three\n  ─\n\n  two\n${details}\n\n  1 test failed\n`;
  const lines = said(t, [[good, 0], [output, 1]])[0].split('\n');
  t.deepEqual(lines.slice(0, 5), ['== what failed as 1', '  ✘ [fail]: two Error', '  ─', '', '  two']);
  t.true(lines.every((line) => line.length <= 300));
  t.regex(lines.at(-2)!, /^\(\d+ more lines: see above\)$/);
  t.is(lines.at(-1), '3 passed, 1 failed, 2 skipped');
});
