/**
 * Scenarios for what can be done with a running task: further processes, terminals, logs, health, readiness. As tasks.ts.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { watchHealth } from '../../../agent/tasks/health.js';
import { LogFile } from '../../../agent/tasks/log-file.js';
import { waitUntilListening } from '../../../agent/tasks/readiness.js';
import type { TaskProcess } from '../../../agent/tasks/task.js';
import { bindUdp, listenTcp } from '../../../kernel/netns/sockets.js';
import { run } from '../../../kernel/run/runner.js';
import { systemClock } from '../../../proxy/time/clock.js';
import { pollUntil } from '../../support/poll-until.js';
import { ID, bench, onceSays, processesWith, sessionOutcome } from './tasks-bench.js';

export async function execs(): Promise<void> {
  const { start, namespace } = bench();
  const task = await start(['sleep', '1004.5'], { env: { COLOUR: 'blue', 'a.b': 'c' }, workdir: '/usr' });
  const exec = async (command: string[], more = {}): Promise<{ stdout: string; stderr: string; exitCode: number }> =>
    sessionOutcome(await task.exec({ command, stdin: false, ...more }));

  const inside = await run('readlink', ['/proc/self/ns/net'], { netns: namespace });
  const script = 'hostname; readlink /proc/self/ns/net; head -1 /etc/resolv.conf; echo $COLOUR $SIZE; pwd; echo oops >&2; exit 6';
  assert.deepEqual(await exec(['sh', '-c', script], { env: { SIZE: 'big' } }), {
    stdout: `${ID}\n${inside}nameserver 127.0.0.11\nblue big\n/usr\n`,
    stderr: 'oops\n',
    exitCode: 6,
  });
  assert.match((await exec(['env'])).stdout, /^a\.b=c$/m);
  assert.equal((await exec(['pwd'], { workdir: '/tmp' })).stdout, '/tmp\n');
  assert.equal((await exec(['sh', '-c', 'ps -e -o args= | grep -c "^sleep 1004.5"'])).stdout, '1\n', 'sees the processes of the task');
  assert.equal((await exec(['sh', '-c', 'kill -9 $$'])).exitCode, 137);
  await assert.rejects(exec(['no-such-program']), { name: 'TaskStartError', exitCode: 127 });
  await assert.rejects(exec([]), { name: 'TaskStartError' });
  assert.equal((await exec(['cat'])).stdout, '', 'no stdin: end-of-file at once');

  const cat = await task.exec({ command: ['cat'], stdin: true });
  cat.stdin!.end('round trip\n');
  assert.equal((await sessionOutcome(cat)).stdout, 'round trip\n');

  const sleeper = await task.exec({ command: ['sh', '-c', 'trap "exit 8" INT; echo up; while :; do sleep 0.02; done'], stdin: false });
  await onceSays(sleeper, 'up');
  sleeper.kill('SIGINT');
  assert.equal((await sessionOutcome(sleeper)).exitCode, 8);

  const family = await task.exec({ command: ['sh', '-c', 'sleep 1005.5 & sleep 1005.5'], stdin: false });
  await pollUntil('both run', () => processesWith('sleep\x001005.5').length === 2);
  family.kill('SIGKILL');
  assert.equal((await sessionOutcome(family)).exitCode, 137);
  await pollUntil('both are gone', () => processesWith('sleep\x001005.5').length === 0);

  // A process left in the background holds the streams: the session ends without it.
  const background = await task.exec({ command: ['sh', '-c', 'sleep 1006.5 & echo done'], stdin: false });
  assert.deepEqual(await sessionOutcome(background).catch((error: NodeJS.ErrnoException) => error.code), 'ERR_STREAM_PREMATURE_CLOSE');
  assert.equal(await background.exited, 0);
  assert.equal(processesWith('sleep\x001006.5').length, 1);

  const last = await task.exec({ command: ['sleep', '1007.5'], stdin: false });
  await task.stop(5000);
  assert.deepEqual([(await task.exited).exitCode, await sessionOutcome(last).then((end) => end.exitCode)], [143, 137]);
  assert.deepEqual([...processesWith('1006.5'), ...processesWith('1007.5')], []);
}

export async function execTerminal(): Promise<void> {
  const { start } = bench();
  const task = await start(['sleep', '1008.5']);
  const script = 'stty size; tty; echo $TERM; trap "echo interrupted; stty size; exit 9" INT; echo up; while :; do sleep 0.02; done';
  const session = await task.exec({ command: ['sh', '-c', script], stdin: true, terminal: { columns: 91, rows: 17 } });
  assert.equal(session.stderr, undefined);
  let seen = '';
  session.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
  await pollUntil('it is up', () => seen.includes('up\r\n'));
  assert.match(seen, /^17 91\r\n\/dev\/pts\/\d+\r\nxterm\r\nup\r\n$/);
  session.resize({ columns: 120, rows: 40 });
  session.stdin!.write('\x03');
  assert.equal(await session.exited, 9, 'Ctrl-C reaches the program, and only the program');
  assert.match(seen, /interrupted\r\n40 120\r\n$/);

  // Everything that was written is delivered although the program has ended.
  const long = await task.exec({ command: ['seq', '20000'], stdin: false, terminal: { columns: 80, rows: 24 } });
  assert.equal((await text(long.stdout)).trim().split('\r\n').at(-1), '20000');
  assert.equal(await long.exited, 0);

  // A program that does not read what is typed keeps nobody else waiting.
  const deaf = await task.exec({ command: ['sh', '-c', 'stty raw -echo; echo up; sleep 1; head -c 100000 | wc -c'], stdin: true, terminal: { columns: 80, rows: 24 } });
  let counted = '';
  deaf.stdout.on('data', (chunk: Buffer) => (counted += chunk.toString()));
  await pollUntil('it is deaf', () => counted.includes('up'));
  const typedAt = performance.now();
  deaf.stdin!.write(Buffer.alloc(100_000, 'x'));
  assert.ok(performance.now() - typedAt < 500, 'typing does not block');
  assert.equal(await deaf.exited, 0);
  assert.equal(counted.trim().split(/\s+/).at(-1), '100000');

  const shell = await task.exec({ command: ['sh', '-i'], stdin: true, terminal: { columns: 80, rows: 24 } });
  let shown = '';
  shell.stdout.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  shell.stdin!.write('echo $((6*7)); sleep 1009.5\n');
  await pollUntil('it sleeps', () => shown.includes('42\r\n') && processesWith('sleep\x001009.5').length > 0);
  assert.ok(!shown.includes('job control'), shown);
  shell.stdin!.write('\x03');
  await pollUntil('the sleep is interrupted', () => processesWith('sleep\x001009.5').length === 0);
  shell.stdin!.write('exit 11\n');
  assert.equal(await shell.exited, 11);

  const killed = await task.exec({ command: ['sh', '-c', 'sleep 1010.5 & sleep 1010.5'], stdin: true, terminal: { columns: 80, rows: 24 } });
  killed.stdout.resume();
  await pollUntil('both run', () => processesWith('sleep\x001010.5').length === 2);
  killed.kill('SIGKILL');
  assert.equal(await killed.exited, 137);
  await pollUntil('both are gone', () => processesWith('sleep\x001010.5').length === 0);
  await task.stop(5000);
}

export async function taskTerminal(): Promise<void> {
  const { start } = bench();
  const task = await start(['sh', '-c', 'stty size; trap "echo got it; exit 12" INT; echo up; while :; do sleep 0.02; done'], { output: { terminal: { columns: 100, rows: 30 } } });
  let seen = '';
  const session = task.session!;
  session.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
  await pollUntil('it is up', () => seen.includes('up\r\n'));
  session.stdin!.write('\x03');
  assert.equal(await session.exited, 12);
  assert.equal(seen, '30 100\r\nup\r\n^Cgot it\r\n');
  assert.equal((await task.exited).exitCode, 12);
}

export async function logs(): Promise<void> {
  const { start, directory } = bench();
  const log = new LogFile(join(directory, 'logs', 'task.log'));
  const task = await start(['sh', '-c', 'i=0; while [ $i -lt 1000 ]; do echo line $i; echo error $i >&2; i=$((i+1)); done; readlink /proc/self/fd/0; printf unfinished'], { output: log });
  assert.equal(task.session, undefined);
  void task.exited.then(() => log.close());
  const followed: string[] = [];
  for await (const line of log.follow(new AbortController().signal)) followed.push(line);
  const expected = Array.from({ length: 1000 }, (_, index) => [`line ${index}`, `error ${index}`]).flat().concat('/dev/null', 'unfinished');
  assert.deepEqual(followed, expected);
  const last: string[] = [];
  for await (const line of log.read(3)) last.push(line);
  assert.deepEqual(last, ['error 999', '/dev/null', 'unfinished']);
}

export async function health(): Promise<void> {
  const { start, directory } = bench();
  const flag = join(directory, 'healthy');
  const task = await start(['sleep', '1011.5']);
  const changes: string[] = [];
  const end = new AbortController();
  const spec = { command: ['sh', '-c', `echo checked; test -e ${flag}`], interval: 100, timeout: 5000, retries: 2, startPeriod: 60_000 };
  watchHealth({ process: task, spec, clock: systemClock, signal: end.signal, onChange: (state, detail) => changes.push(`${state}: ${detail}`) });
  writeFileSync(flag, '');
  await pollUntil('it is healthy', () => changes.length === 1);
  await run('rm', [flag]);
  await pollUntil('it is unhealthy', () => changes.length === 2);
  writeFileSync(flag, '');
  await pollUntil('it is healthy again', () => changes.length === 3);
  end.abort();
  assert.deepEqual(changes, ['healthy: checked', 'unhealthy: checked', 'healthy: checked']);

  // A command that hangs is killed with its children, and counts as a failure. One at a time: never two of them.
  const hanging: string[] = [];
  const over = new AbortController();
  watchHealth({
    process: task,
    spec: { command: ['sh', '-c', 'sleep 1012.5 | cat'], interval: 50, timeout: 300, retries: 1, startPeriod: 0 },
    clock: systemClock,
    signal: over.signal,
    onChange: (state, detail) => hanging.push(`${state}: ${detail}`),
  });
  let most = 0;
  // On a busy machine a run may be over before its command has begun: then it is one of the next that is seen.
  const look = (): number => (most = Math.max(most, processesWith('sleep\x001012.5').length));
  await pollUntil('it is unhealthy, and was seen to hang', () => look() > 0 && hanging.length > 0, { interval: 5 });
  over.abort();
  assert.deepEqual(hanging, ['unhealthy: no result within 300 ms']);
  assert.equal(most, 1);
  await pollUntil('no run is left', () => processesWith('1012.5').length === 0);
  await task.stop(5000);
}

export async function readiness(): Promise<void> {
  const { start, namespace } = bench();
  // What the agent itself opens in a task does not count.
  bindUdp(namespace, '127.0.0.11', 53);
  listenTcp(namespace, '127.0.0.11', 53);
  const signal = new AbortController().signal;
  const wait = (task: TaskProcess, timeout: number): Promise<string> => waitUntilListening({ pid: task.pid, clock: systemClock, signal, timeout });

  const silent = await start(['sleep', '1013.5']);
  assert.equal(await wait(silent, 300), 'timeout');
  const gone = wait(silent, 60_000);
  await silent.stop(5000);
  assert.equal(await gone, 'gone');

  for (const listen of ["net.createServer().listen(8080)", "net.createServer().listen(8080, '0.0.0.0')", "net.createServer().listen(8080, '::1')", "dgram.createSocket('udp4').bind(5000)", "dgram.createSocket('udp6').bind(5000)"]) {
    const task = await start([process.execPath, '-e', `setTimeout(() => ${listen}, 100)`]);
    assert.equal(await wait(task, 60_000), 'listening', listen);
    await task.stop(5000);
  }
}
