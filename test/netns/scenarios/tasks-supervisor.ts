/**
 * A process that supervises one task, to be killed: `node tasks-supervisor.js DIRECTORY MARK [announce]`. The task's command,
 * a child of it, a daemonised grandchild and an exec all sleep MARK seconds. Says `up` when they run; with `announce`, when
 * it is about to start them.
 */
import { join } from 'node:path';
import { startTask } from '../../../agent/tasks/task.js';
import { createNamespace } from '../../../kernel/netns/netns.js';

const [, , directory = '', mark = '', announce] = process.argv;
const namespace = createNamespace(join(directory, 'netns'), 'task');
if (announce !== undefined) process.stdout.write('soon\n');
const task = await startTask({
  id: 'ab12cd34ef56',
  namespace,
  command: ['sh', '-c', `trap "" TERM HUP INT; (setsid sleep ${mark} >/dev/null 2>&1 </dev/null &); sleep ${mark} & sleep ${mark}`],
  env: {},
  addresses: [],
  directory: join(directory, 'task'),
  output: 'pipe',
});
await task.exec({ command: ['sh', '-c', `setsid sleep ${mark} & sleep ${mark}`], stdin: false });
await task.exec({ command: ['sleep', mark], stdin: true, terminal: { columns: 80, rows: 24 } });
if (announce === undefined) process.stdout.write('up\n');
setInterval(() => undefined, 1000);
