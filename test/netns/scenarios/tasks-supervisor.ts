/**
 * A process that supervises one task, to be killed: `node tasks-supervisor.js DIRECTORY MARK [announce [outlives]]`. The task's
 * command, a child of it, a daemonised grandchild and an exec all sleep MARK seconds. Says `up` when they run; with `announce`,
 * when it is about to start them. With `outlives` the task is one that goes on.
 */
import { join } from 'node:path';
import { LogFile } from '../../../agent/tasks/log-file.js';
import { startTask } from '../../../agent/tasks/task.js';
import { createNamespace } from '../../../kernel/netns/netns.js';

const [, , directory = '', mark = '', announce, outlives] = process.argv;
const namespace = createNamespace(join(directory, 'netns'), 'task');
if (announce !== undefined) process.stdout.write('soon\n');
const task = await startTask({
  id: 'ab12cd34ef56',
  namespace,
  command: ['sh', '-c', `trap "" TERM HUP INT; (setsid sleep ${mark} >/dev/null 2>&1 </dev/null &); sleep ${mark} & sleep ${mark}`],
  env: {},
  addresses: [],
  directory: join(directory, 'tasks', 'ab12cd34ef56'),
  output: outlives === undefined ? 'pipe' : new LogFile(join(directory, 'log')),
  ...(outlives !== undefined && { outlives: { stopGracePeriod: 100 } }),
});
// One that leaves its session on purpose is the task's from then on, and goes on with it.
const aside = outlives === undefined ? 'setsid' : '';
await task.exec({ command: ['sh', '-c', `${aside} sleep ${mark} & sleep ${mark}`], stdin: false });
await task.exec({ command: ['sleep', mark], stdin: true, terminal: { columns: 80, rows: 24 } });
if (announce === undefined) process.stdout.write('up\n');
setInterval(() => undefined, 1000);
