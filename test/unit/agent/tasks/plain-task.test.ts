/** Tasks without a namespace: what they are told, that all of them ends, and with whom. */
import test from 'ava';
import { text } from 'node:stream/consumers';
import { killMarked, markedProcesses, NODE_MARK, TASK_MARK } from '../../../../agent/tasks/marked.js';
import { startPlainTask } from '../../../../agent/tasks/plain-task.js';
import type { TaskProcess } from '../../../../agent/tasks/task.js';
import { pollUntil } from '../../../support/poll-until.js';

let tasks = 0;

function start(id: string, ...command: string[]): Promise<TaskProcess> {
  return startPlainTask({ id, command, env: { GREETING: 'hello', VIPMESH_ADDRESS: 'forged' }, facts: { VIPMESH_ADDRESS: '127.64.1.5', [NODE_MARK]: `${id}0` }, output: 'pipe' });
}

const newId = (): string => `${process.pid.toString(16)}${(++tasks).toString(16)}`.padStart(12, 'f');

test('it runs the command with its variables, and ends with its exit code', async (t) => {
  const id = newId();
  const task = await start(id, 'sh', '-c', 'echo "$GREETING $VIPMESH_ADDRESS $HOSTNAME $VIPMESH_TASK_ID"; exit 7');
  t.is(await text(task.session!.stdout), `hello 127.64.1.5 ${id} ${id}\n`);
  t.deepEqual(await task.exited, { exitCode: 7 });
  t.deepEqual(markedProcesses(TASK_MARK, id), []);
});

test('what the command leaves behind ends with it, also what has left its session', async (t) => {
  const id = newId();
  const task = await start(id, 'sh', '-c', 'setsid sleep 4000 & sleep 4001 & wait');
  await pollUntil('both run', () => markedProcesses(TASK_MARK, id).length >= 5);
  await task.stop(10_000);
  t.deepEqual(markedProcesses(TASK_MARK, id), []);
});

test('what ignores SIGTERM is killed when its grace is over', async (t) => {
  const task = await start(newId(), 'sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done');
  await new Promise((resolve) => task.session?.stdout.once('data', resolve));
  const stopped = task.stop(200);
  t.deepEqual(await task.exited, { exitCode: 137 });
  await stopped;
});

test('a further process has the same surroundings, and ends with the task', async (t) => {
  const task = await start(newId(), 'sleep', '4002');
  const one = await task.exec({ command: ['sh', '-c', 'echo $VIPMESH_ADDRESS; exit 3'], stdin: false });
  t.is(await text(one.stdout), '127.64.1.5\n');
  t.is(await one.exited, 3);
  const other = await task.exec({ command: ['sleep', '4003'], stdin: false });
  await task.stop(10_000);
  t.is(await other.exited, 137);
});

test('a command that is not there is told as of any task', async (t) => {
  await t.throwsAsync(start(newId(), '/no/such/program'), { message: /no such file or directory/ });
});

test('what is left of a node is found by its mark', async (t) => {
  const id = newId();
  const task = await start(id, 'sleep', '4004');
  t.true((await killMarked(NODE_MARK, `${id}0`, 5000)) > 0);
  t.deepEqual(await task.exited, { exitCode: 137 });
});
