/**
 * Scenarios for agent/tasks: real processes in real namespaces, on a test host. Each runs as root and as root of a user
 * namespace.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ExecSession } from '../../../agent/control.js';
import { LogFile } from '../../../agent/tasks/log-file.js';
import { statOf } from '../../../agent/tasks/process-tree.js';
import { waitUntilListening } from '../../../agent/tasks/readiness.js';
import { TaskEndedError, TaskStartError } from '../../../agent/tasks/start-error.js';
import { watchHealth } from '../../../agent/tasks/health.js';
import { startTask, type TaskOutput, type TaskProcess } from '../../../agent/tasks/task.js';
import { createNamespace, type Namespace } from '../../../kernel/netns/netns.js';
import { bindUdp, listenTcp } from '../../../kernel/netns/sockets.js';
import { run } from '../../../kernel/run/runner.js';
import { systemClock } from '../../../proxy/time/clock.js';
import { pollUntil } from '../../support/poll-until.js';

const ID = 'ab12cd34ef56';

interface Bench {
  readonly directory: string;
  readonly namespace: Namespace;
  start(command: readonly string[], options?: { output?: TaskOutput; env?: Record<string, string>; workdir?: string }): Promise<TaskProcess>;
}

function bench(): Bench {
  // Timers of a Clock do not keep a process alive; an agent has its servers for that.
  setInterval(() => undefined, 1000);
  const directory = mkdtempSync(join(os.tmpdir(), 'tasks-'));
  const namespace = createNamespace(join(directory, 'netns'), 'task');
  return {
    directory,
    namespace,
    start: (command, { output = 'pipe', env = {}, workdir } = {}) =>
      startTask({ id: ID, namespace, command, env, addresses: ['10.0.1.5'], directory: join(directory, 'task'), output, ...(workdir !== undefined && { workdir }) }),
  };
}

/** What a task printed, and its exit code. */
async function outcome(task: TaskProcess): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const session = task.session!;
  const [stdout, stderr] = await Promise.all([text(session.stdout), session.stderr ? text(session.stderr) : '']);
  const { exitCode } = await task.exited;
  return { stdout, stderr, exitCode };
}

async function sessionOutcome(session: ExecSession): Promise<{ stdout: string; stderr: string; exitCode: number }> {
  const [stdout, stderr, exitCode] = await Promise.all([text(session.stdout), session.stderr ? text(session.stderr) : '', session.exited]);
  return { stdout, stderr, exitCode };
}

/** Processes of this test host whose command line holds `mark`. */
function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(mark);
      } catch {
        return false;
      }
    });
}

export async function surroundings(): Promise<void> {
  const { start, namespace, directory } = bench();
  const before = { resolv: readFileSync('/etc/resolv.conf', 'utf8'), hosts: readFileSync('/etc/hosts', 'utf8'), name: os.hostname() };
  const script = 'hostname; echo $HOSTNAME; readlink /proc/self/ns/net; cat /etc/resolv.conf /etc/hosts; ps -e -o pid= | wc -l; pwd; umask';
  const { stdout, exitCode } = await outcome(await start(['sh', '-c', script], { workdir: '/usr' }));
  const inside = await run('readlink', ['/proc/self/ns/net'], { netns: namespace });
  assert.equal(
    stdout,
    `${ID}\n${ID}\n${inside}nameserver 127.0.0.11\noptions ndots:0\n` +
      `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.1.5\t${ID}\n` +
      // The shell that is process 1, the command, ps and wc.
      '4\n/usr\n0022\n',
  );
  assert.equal(exitCode, 0);
  assert.deepEqual(before, { resolv: readFileSync('/etc/resolv.conf', 'utf8'), hosts: readFileSync('/etc/hosts', 'utf8'), name: os.hostname() });
  assert.equal(existsSync(join(directory, 'task')), false, 'its files are gone');
}

export async function environment(): Promise<void> {
  const { start } = bench();
  process.env.VIPMESH_TEST_LEAK = 'leaked';
  const env = { GREETING: 'hello  world\nsecond line', 'discovery.type': 'single-node', go: 'mine', vipmesh_go: 'mine too', IFS: 'x' };
  const { stdout } = await outcome(await start(['env', '-0'], { env }));
  const got = Object.fromEntries(stdout.split('\0').filter(Boolean).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  for (const [name, value] of Object.entries({ ...env, HOSTNAME: ID, PATH: process.env.PATH, HOME: process.env.HOME })) {
    if (name !== 'vipmesh_go' && name !== 'IFS') assert.equal(got[name], value, name);
  }
  assert.equal(got.VIPMESH_TEST_LEAK, undefined);
  assert.deepEqual(Object.keys(got).filter((name) => !(name in env) && !['HOSTNAME', 'PATH', 'HOME', 'LANG', 'PWD', 'SHLVL', '_'].includes(name)), []);
  // A PATH that has none of the tools the setup needs.
  const path = await outcome(await start(['/bin/sh', '-c', 'echo $PATH'], { env: { PATH: '/nowhere' } }));
  assert.equal(path.stdout, '/nowhere\n');
}

export async function exitCodes(): Promise<void> {
  const { start } = bench();
  for (const [script, expected] of [['exit 0', 0], ['exit 3', 3], ['exit 127', 127], ['exit 255', 255], ['kill -9 $$', 137], ['kill -TERM $$', 143]] as const) {
    const { exitCode, stderr } = await outcome(await start(['sh', '-c', script]));
    assert.equal(exitCode, expected, script);
    assert.equal(stderr, '', 'no remark of a shell in between');
  }
  const killed = await start(['sleep', '1000']);
  killed.kill('SIGKILL');
  assert.equal((await outcome(killed)).exitCode, 137);
}

export async function startErrors(): Promise<void> {
  const { start, directory } = bench();
  writeFileSync(join(directory, 'plain'), 'not a program', { mode: 0o644 });
  const plain = join(directory, 'plain');
  const cases: [readonly string[], number, string, { env?: Record<string, string>; workdir?: string }?][] = [
    [['no-such-program'], 127, 'exec: "no-such-program": executable file not found in $PATH'],
    [['cd'], 127, 'exec: "cd": executable file not found in $PATH'],
    [['/no/such/program', 'x'], 127, 'exec: "/no/such/program": stat /no/such/program: no such file or directory'],
    [[plain], 126, `exec: "${plain}": permission denied`],
    [['plain'], 126, 'exec: "plain": permission denied', { env: { PATH: `/nowhere:${directory}` } }],
    [['/etc'], 126, 'exec: "/etc": is a directory'],
    [['true'], 126, 'chdir to "/no/such": no such directory, or no permission', { workdir: '/no/such' }],
    [[], 125, 'no command given'],
    [['true'], 125, 'environment variable "A=B": a name needs at least one character and no \'=\', and neither name nor value may have a NUL', { env: { 'A=B': '' } }],
  ];
  for (const [command, exitCode, message, options] of cases) {
    const error = await start(command, options).then(
      () => assert.fail(`${command.join(' ')} started`),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof TaskStartError, String(error));
    assert.deepEqual([error.exitCode, error.message], [exitCode, message]);
    assert.equal(existsSync(join(directory, 'task')), false, 'no files are left');
    assert.deepEqual(processesWith(join(directory, 'task')), [], 'no process is left');
  }
}

/** A host without /etc/hosts gets an error that names it, and one whose /etc/resolv.conf is a link gets the target bound over. */
export async function hostFiles(): Promise<void> {
  const { start, directory } = bench();
  // /etc of this test host only.
  await run('sh', ['-c', `mkdir -p ${directory}/etc ${directory}/resolve && cp -a /etc/. ${directory}/etc/ 2>/dev/null; mount --bind ${directory}/etc /etc`]);
  await run('sh', ['-c', `echo nameserver 192.0.2.1 > ${directory}/resolve/stub; ln -sf ${directory}/resolve/stub /etc/resolv.conf`]);
  assert.equal((await outcome(await start(['head', '-1', '/etc/resolv.conf']))).stdout, 'nameserver 127.0.0.11\n');
  assert.equal(readFileSync('/etc/resolv.conf', 'utf8'), 'nameserver 192.0.2.1\n', "the host's own is as it was");
  await run('rm', ['/etc/hosts']);
  await assert.rejects(start(['true']), /^TaskStartError: this host has no \/etc\/hosts .*create an empty one$/);
}

export async function processOne(): Promise<void> {
  const { start } = bench();
  // Orphans come to process 1 and are reaped; the command is not process 1; what is left dies with the command.
  const script = `
    [ $$ != 1 ] || exit 9
    i=0; while [ $i -lt 20 ]; do (sh -c 'exit 0' & exit 0); i=$((i+1)); done
    (setsid sleep 1000.5 >/dev/null 2>&1 </dev/null & exit 0)
    until ps -e -o args= | grep -q '^sleep 1000.5'; do :; done
    i=0; while [ $i -lt 500 ] && ps -e -o stat= | grep -q Z; do i=$((i+1)); done
    ps -e -o stat= | grep -c Z
    exit 4`;
  const { stdout, exitCode } = await outcome(await start(['sh', '-c', script]));
  assert.deepEqual([stdout, exitCode], ['0\n', 4]);
  assert.deepEqual(processesWith('1000.5'), [], 'the daemonised process is gone as soon as exited resolves');
}

export async function stopping(): Promise<void> {
  const { start } = bench();
  const polite = await start(['sh', '-c', 'trap "echo bye; exit 7" TERM; echo up; while :; do sleep 0.02; done']);
  await onceSays(polite.session!, 'up');
  const [first] = await Promise.all([outcome(polite), polite.stop(20_000), polite.stop(30_000)]);
  assert.equal(first.exitCode, 7);
  await polite.stop(1);

  const stubborn = await start(['sh', '-c', 'trap "" TERM; (trap "" TERM HUP; setsid sleep 1001.5) & echo up; while :; do sleep 0.02; done']);
  await onceSays(stubborn.session!, 'up');
  await pollUntil('the grandchild runs', () => processesWith('1001.5').length > 0);
  const startedAt = performance.now();
  const [second] = await Promise.all([outcome(stubborn), stubborn.stop(200)]);
  assert.equal(second.exitCode, 137);
  assert.ok(performance.now() - startedAt >= 195, 'not before the grace has passed');
  assert.deepEqual(processesWith('1001.5'), []);

  const impatient = await start(['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.02; done']);
  await onceSays(impatient.session!, 'up');
  const slow = impatient.stop(60_000);
  await impatient.stop(0);
  await slow;
  assert.equal((await impatient.exited).exitCode, 137);

  // Frozen processes cannot handle SIGTERM, nor can they escape SIGKILL.
  const frozen = await start(['sleep', '1002.5']);
  frozen.kill('SIGSTOP');
  await frozen.stop(50);
  assert.deepEqual(processesWith('1002.5'), []);

  const byItself = await start(['sh', '-c', 'exit 5']);
  await byItself.stop(10_000);
  assert.ok([5, 143].includes((await byItself.exited).exitCode), 'it may end by itself at the same time');
  byItself.kill('SIGTERM');
  await assert.rejects(byItself.exec({ command: ['true'], stdin: false }), TaskEndedError);
}

/** Whoever kills the helper between agent and task kills the task. */
export async function helperKilled(): Promise<void> {
  const { start } = bench();
  const task = await start(['sleep', '1003.5']);
  const shell = statOf(task.pid)!.parent;
  process.kill(statOf(shell)!.parent, 'SIGKILL');
  assert.equal((await task.exited).exitCode, 137);
  assert.deepEqual(processesWith('1003.5'), []);
  assert.equal(statOf(shell)?.state ?? 'Z', 'Z');
}

/** The supervising process is killed with SIGKILL: nothing of its task is left, whatever it does to hide. */
export async function agentKilled(): Promise<void> {
  const { directory } = bench();
  const module = fileURLToPath(new URL('./tasks-supervisor.js', import.meta.url));
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [module, join(directory, `round${round}`), `100${round}.25`], { stdio: ['ignore', 'pipe', 'inherit'] });
    const mark = `100${round}.25`;
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as string[];
    assert.equal(line, 'up');
    // The supervisor, the helper of the exec, the two shells, three sleeps, …: all but the supervisor are to go by themselves.
    await pollUntil('the task and its children run', () => processesWith(`sleep ${mark}`.replace(' ', '\0')).length >= 3);
    child.kill('SIGKILL');
    await pollUntil('nothing is left', () => processesWith(mark).length === 0, { timeout: 5000 });
    assert.deepEqual(processesWith(directory), []);
  }
}

/** Killed at any moment of a start, also before the parent-death signals are set. */
export async function agentKilledEarly(): Promise<void> {
  const { directory } = bench();
  const module = fileURLToPath(new URL('./tasks-supervisor.js', import.meta.url));
  let early = 0;
  for (let round = 0; round < 12; round++) {
    const mark = `20${round}.25`;
    const child = spawn(process.execPath, [module, join(directory, `early${round}`), mark, 'announce'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface({ input: child.stdout }), 'line');
    // Spread over the milliseconds that a start takes.
    const until = performance.now() + round * 3;
    while (performance.now() < until);
    if (processesWith(`sleep\0${mark}`).length === 0) early++;
    child.kill('SIGKILL');
    await pollUntil('nothing is left', () => processesWith(mark).length === 0, { timeout: 5000 });
    assert.deepEqual(processesWith(join(directory, `early${round}`)), []);
  }
  assert.ok(early > 0, 'at least one was killed before its command ran');
}

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
  await pollUntil('it is unhealthy', () => ((most = Math.max(most, processesWith('sleep\x001012.5').length)), hanging.length > 0));
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

  for (const listen of ["net.createServer().listen(8080)", "net.createServer().listen(8080, '0.0.0.0')", "dgram.createSocket('udp4').bind(5000)", "dgram.createSocket('udp6').bind(5000)"]) {
    const task = await start([process.execPath, '-e', `setTimeout(() => ${listen}, 100)`]);
    assert.equal(await wait(task, 60_000), 'listening', listen);
    await task.stop(5000);
  }
}

/** Waits until a session has written the line `word`. Its output flows from then on. */
async function onceSays(session: ExecSession, word: string): Promise<void> {
  let seen = '';
  const listen = (chunk: Buffer): void => void (seen += chunk.toString());
  session.stdout.on('data', listen);
  await pollUntil(`it says ${word}`, () => seen.includes(`${word}\n`));
  session.stdout.off('data', listen);
}
