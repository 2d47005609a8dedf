import { PassThrough } from 'node:stream';
import test from 'ava';
import type { ExecRequest, ExecSession } from '../../../../agent/control.js';
import { watchHealth } from '../../../../agent/tasks/health.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const spec = { command: ['check', 'me'], interval: 1000, timeout: 300, retries: 2, startPeriod: 0 };

/** A task whose execs end when told. */
class FakeProcess {
  readonly requests: ExecRequest[] = [];
  readonly signals: string[] = [];
  #end: ((code: number) => void) | undefined;
  #stdout = new PassThrough();
  refuse: Error | undefined;

  exec(request: ExecRequest): Promise<ExecSession> {
    this.requests.push(request);
    if (this.refuse) return Promise.reject(this.refuse);
    this.#stdout = new PassThrough();
    const exited = new Promise<number>((resolve) => (this.#end = resolve));
    return Promise.resolve({
      taskId: 'ab12cd34ef56',
      stdin: undefined,
      stdout: this.#stdout,
      stderr: undefined,
      resize: () => undefined,
      kill: (signal) => {
        this.signals.push(signal);
        this.#end?.(137);
      },
      exited,
    });
  }

  async finish(code: number, output = ''): Promise<void> {
    this.#stdout.end(output);
    await settle();
    this.#end?.(code);
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function bench() {
  const clock = new FakeClock();
  const process = new FakeProcess();
  const end = new AbortController();
  const changes: string[] = [];
  watchHealth({ process, spec, clock, signal: end.signal, onChange: (health, detail) => changes.push(`${health}: ${detail}`) });
  return { clock, process, end, changes };
}

test('runs the command at once, one run at a time, and tells each change with the last line', async (t) => {
  const { clock, process, changes } = bench();
  await settle();
  t.deepEqual(process.requests, [{ command: ['check', 'me'], stdin: false }]);
  clock.advance(250);
  await settle();
  t.is(process.requests.length, 1, 'the first is not over yet');
  await process.finish(0, 'first\nall is well\n');
  t.deepEqual(changes, ['healthy: all is well']);
  for (let failure = 0; failure < 2; failure++) {
    clock.advance(1000);
    await settle();
    await process.finish(4);
  }
  t.deepEqual(changes, ['healthy: all is well', 'unhealthy: exit code 4']);
});

test('a run that takes too long is killed and fails', async (t) => {
  const { clock, process, changes } = bench();
  await settle();
  await process.finish(0);
  for (let failure = 0; failure < 2; failure++) {
    clock.advance(1000);
    await settle();
    clock.advance(300);
    await process.finish(0, 'too late');
  }
  t.deepEqual(process.signals, ['SIGKILL', 'SIGKILL']);
  t.deepEqual(changes, ['healthy: exit code 0', 'unhealthy: no result within 300 ms']);
});

test('a command that cannot be executed is a failure with its reason', async (t) => {
  const { clock, process, changes } = bench();
  process.refuse = new Error('exec: "check": executable file not found in $PATH');
  for (let step = 0; step < 20; step++) {
    await settle();
    clock.advance(250);
  }
  t.deepEqual(changes, ['unhealthy: exec: "check": executable file not found in $PATH']);
});

test('when the watching ends, the run under way is killed and says nothing', async (t) => {
  const { clock, process, end, changes } = bench();
  await settle();
  end.abort();
  await settle();
  t.deepEqual(process.signals, ['SIGKILL']);
  clock.advance(60_000);
  await settle();
  t.is(process.requests.length, 1);
  t.deepEqual(changes, []);
});
