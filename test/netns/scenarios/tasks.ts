/**
 * Scenarios for agent/tasks: how a task starts, what it sees, how it ends. Real processes in real namespaces, on a test host;
 * each as root and as root of a user namespace.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { statOf } from '../../../agent/tasks/process-tree.js';
import { adoptTask } from '../../../agent/tasks/task.js';
import { findSurvivors } from '../../../agent/tasks/survivors.js';
import { TaskEndedError, TaskStartError } from '../../../agent/tasks/start-error.js';
import { run } from '../../../kernel/run/runner.js';
import { pollUntil } from '../../support/poll-until.js';
import { ID, bench, onceSays, outcome, processesWith, sessionOutcome } from './tasks-bench.js';
import { execs, execTerminal, taskTerminal } from './tasks-sessions.js';

export async function surroundings(): Promise<void> {
  const { start, namespace, directory } = bench();
  const before = { resolv: readFileSync('/etc/resolv.conf', 'utf8'), hosts: readFileSync('/etc/hosts', 'utf8'), name: os.hostname() };
  const script = 'hostname; echo $HOSTNAME; readlink /proc/self/ns/net; cat /etc/resolv.conf /etc/hosts; ps -e -o pid= > /run/tmp/ps; wc -l < /run/tmp/ps; pwd; umask';
  const { stdout, exitCode } = await outcome(await start(['sh', '-c', script], { workdir: '/usr' }));
  const inside = await run('readlink', ['/proc/self/ns/net'], { netns: namespace });
  assert.equal(
    stdout,
    `${ID}\n${ID}\n${inside}nameserver 127.0.0.11\noptions ndots:0\n` +
      `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.1.5\t${ID}\n` +
      // The shell that is process 1, the command, and ps. Not in a pipe: ps may have looked before the next program is there.
      '3\n/usr\n0022\n',
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
  // What `npm test` put in front is npm's, not the host's.
  const hostPath = process.env.PATH?.split(':').filter((directory) => !directory.includes('/node_modules/')).join(':');
  for (const [name, value] of Object.entries({ ...env, HOSTNAME: ID, PATH: hostPath, HOME: process.env.HOME })) {
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

/** The same with bash for /bin/sh, as some distributions have it. */
export async function withBash(): Promise<void> {
  await run('mount', ['--bind', '/bin/bash', '/bin/sh']);
  assert.match(await run('/bin/sh', ['--version']), /^GNU bash/);
  for (const scenario of [surroundings, environment, exitCodes, startErrors, processOne, stopping, execs, execTerminal, taskTerminal]) await scenario();
}

/** Where a fresh /proc is refused, as in a container that hides parts of its own, a task runs all the same and says so. */
export async function procRefused(): Promise<void> {
  await run('mount', ['-t', 'tmpfs', 'tmpfs', '/proc/sys']);
  const main = fileURLToPath(new URL('../../support/scenario-main.js', import.meta.url));
  // The mount is locked for this further user namespace, so that it cannot have a /proc without it.
  const unshare = ['--user', '--map-root-user', '--net', '--mount', process.execPath];
  assert.equal(await run('unshare', [...unshare, main, import.meta.url, 'procRefusedInner']), 'said so\n');
}

export async function procRefusedInner(): Promise<void> {
  const { start } = bench();
  const task = await start(['hostname']);
  assert.match(task.warnings.join(), /^no \/proc of its own: mount: /);
  assert.deepEqual(await outcome(task), { stdout: `${ID}\n`, stderr: '', exitCode: 0 });
  const stopped = await start(['sleep', '1014.5']);
  await stopped.stop(5000);
  assert.equal((await stopped.exited).exitCode, 143);
  process.stdout.write('said so\n');
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

/**
 * Waits until no process has any of these in its command line. All of them in the same look: a helper that is named after
 * the directory only may be the last to end.
 */
async function nothingLeftOf(...marks: string[]): Promise<void> {
  let left: number[] = [];
  const gone = pollUntil('nothing is left', () => (left = marks.flatMap(processesWith)).length === 0, { timeout: 90_000 });
  await gone.catch((error: unknown) => assert.fail(`${String(error)}: pids ${left.join(', ')}`));
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
    await nothingLeftOf(mark, directory);
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
    await nothingLeftOf(mark, join(directory, `early${round}`));
  }
  assert.ok(early > 0, 'at least one was killed before its command ran');
}

/**
 * Of a task that is to outlive its supervisor, either all is left or nothing, at whatever moment of the start that dies; and
 * whoever finds it can do with it what its supervisor could.
 */
export async function outlivesEarly(): Promise<void> {
  const { directory } = bench();
  const module = fileURLToPath(new URL('./tasks-supervisor.js', import.meta.url));
  let left = 0;
  let execsSeen = 0;
  for (let round = 0; round < 12; round++) {
    const mark = `30${round}.25`;
    const own = join(directory, `outlives${round}`);
    const child = spawn(process.execPath, [module, own, mark, 'announce', 'outlives'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(createInterface({ input: child.stdout }), 'line');
    // Spread over the milliseconds that a start takes; the last ones after it.
    const until = performance.now() + round * 4;
    while (performance.now() < until);
    if (round > 8) await pollUntil('the task and its execs run', () => processesWith(`sleep\0${mark}`).length >= 6);
    execsSeen = Math.max(execsSeen, processesWith(`sleep\0${mark}`).length);
    child.kill('SIGKILL');
    await once(child, 'exit');
    // The command waits for its `go` until it sees that nobody will say it.
    await pollUntil('nobody is waiting any more', () => findSurvivors(join(own, 'tasks')).length > 0 || processesWith(own).length === 0, { timeout: 30_000 });
    const [survivor] = findSurvivors(join(own, 'tasks'));
    if (survivor) {
      left++;
      assert.equal(survivor.condition, 'running');
      // The command, its child and its grandchild; none of an exec.
      await pollUntil('the task runs, without its execs', () => processesWith(`sleep\0${mark}`).length === 3, { timeout: 30_000 });
      const task = adoptTask(survivor);
      const session = await task.exec({ command: ['sh', '-c', 'hostname; exit 5'], stdin: false });
      assert.deepEqual(await sessionOutcome(session), { stdout: `${ID}\n`, stderr: '', exitCode: 5 });
      // It ignores SIGTERM.
      await task.stop(50);
      assert.equal((await task.exited).exitCode, 137);
      assert.equal(existsSync(survivor.directory), false, 'its files are gone');
    }
    await nothingLeftOf(mark, own);
  }
  assert.ok(execsSeen > 3, 'with its execs there were more');
  assert.ok(left >= 3 && left < 12, `${left} of 12 had begun`);
}
