import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { identityOf } from '../../../../agent/tasks/process-tree.js';
import { ProcessWatch } from '../../../../agent/tasks/process-watch.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

test('the end of a process is seen by looking', async (t) => {
  const clock = new FakeClock();
  const watch = new ProcessWatch(clock);
  const children = [spawn('sleep', ['60']), spawn('sleep', ['60'])] as const;
  t.teardown(() => children.forEach((child) => child.kill('SIGKILL')));
  const over: number[] = [];
  const identities = children.map((child) => identityOf(child.pid!)!);
  for (const identity of identities) void watch.ended(identity).then(() => over.push(identity.pid));
  clock.advance(1000);
  await Promise.resolve();
  t.deepEqual(over, []);
  children[0].kill('SIGKILL');
  await once(children[0], 'exit');
  clock.advance(50);
  await Promise.resolve();
  t.deepEqual(over, [children[0].pid!]);
  children[1].kill('SIGKILL');
  await once(children[1], 'exit');
  clock.advance(50);
  await Promise.resolve();
  t.deepEqual(over, children.map(({ pid }) => pid!));
});

test('what is not there has ended, and so has a pid that is another process', async (t) => {
  const watch = new ProcessWatch(new FakeClock());
  const own = identityOf(process.pid)!;
  await watch.ended({ ...own, startTime: own.startTime + 1 });
  const child = spawn('true');
  await once(child, 'exit');
  await watch.ended({ pid: child.pid!, startTime: 1 });
  t.pass();
});

test('a process that nobody reaps has ended', async (t) => {
  const clock = new FakeClock();
  const watch = new ProcessWatch(clock);
  // The shell becomes a program that asks after no child of its.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  let over = false;
  const ended = watch.ended(identityOf(pid)!).then(() => (over = true));
  process.kill(pid, 'SIGKILL');
  while (identityOf(pid) !== undefined && !over) {
    clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  t.true(over);
});
