import test from 'ava';
import { CommandError, run, start } from '../../../../kernel/run/runner.js';
import { withoutDescriptors } from '../../../support/without-descriptors.js';

test('run answers what the command prints', async (t) => {
  t.is(await run('cat', [], { input: 'é\n' }), 'é\n');
  t.is(await run('true', [], { input: 'x'.repeat(1 << 20) }), '', 'a command that does not read its input');
});

test('a failure has the command, its exit code and what it said', async (t) => {
  const error = await t.throwsAsync(run('sh', ['-c', 'echo so far; echo why >&2; exit 3']), { instanceOf: CommandError });
  t.like(error, { name: 'CommandError', command: 'sh -c echo so far; echo why >&2; exit 3', exitCode: 3, stderr: 'why\n', stdout: 'so far\n' });
  t.regex(error.message, /exit code 3: why$/);
});

test('a command that is not there is named', async (t) => {
  const error = await t.throwsAsync(run('no-such-command', []), { instanceOf: CommandError });
  t.is(error.message, 'no-such-command: no-such-command is not installed or not in PATH');
  t.is(error.exitCode, null);
});

test('a timeout and an abort end the command', async (t) => {
  await t.throwsAsync(run('sleep', ['60'], { timeout: 50 }), { message: /ended by SIGTERM/ });
  const abort = new AbortController();
  const sleeping = run('sleep', ['60'], { signal: abort.signal });
  abort.abort();
  await t.throwsAsync(sleeping, { message: /aborted/ });
});

test('start gives the environment as it is, and a group of its own', async (t) => {
  const child = start('sh', ['-c', 'echo "$ONLY|$HOME"; ps -o pgid= -p $$'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ONLY: 'this', PATH: process.env.PATH },
    detached: true,
  });
  let output = '';
  for await (const chunk of child.stdout!) output += String(chunk);
  t.deepEqual(output.trim().split(/\s+/), ['this|', `${child.pid}`]);
});

test('a command for which no descriptor is left fails as any other', async (t) => {
  const runner = new URL('../../../../kernel/run/runner.js', import.meta.url).href;
  const output = await withoutDescriptors(
    `import { run } from '${runner}';`,
    "await run('true', []).catch((error) => console.log(error.name + ': ' + error.message));",
  );
  t.regex(output, /^CommandError: true: this process may open no more files: .*ulimit -n/);
});
