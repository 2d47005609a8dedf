import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { startPty } from '../../../support/pty.js';
import { pollUntil } from '../../../support/poll-until.js';
import { startApi } from '../api/api-under-test.js';
import type { ApiUnderTest } from '../api/api-under-test.js';
import { MAIN } from './command-line.js';

interface Terminal extends ApiUnderTest {
  readonly pty: ReturnType<typeof startPty>;
  readonly text: () => string;
}

/** A shell on a terminal of its own, which runs `vipmesh` and then says how the terminal was left. */
async function onTerminal(t: ExecutionContext, command: string): Promise<Terminal> {
  const api = await startApi(t);
  const script = `"$0" "$1" ${command}; echo "exit=$?"; stty -a; echo all-done`;
  const pty = startPty('sh', ['-c', script, process.execPath, MAIN], {
    env: { PATH: process.env['PATH'], VIPMESH_SOCKET: api.socketPath, TERM: 'xterm' },
    columns: 90,
    rows: 33,
  });
  let text = '';
  pty.onData((chunk) => (text += chunk.toString()));
  t.teardown(() => pty.kill('SIGKILL'));
  return { ...api, pty, text: () => text };
}

test('run -it: raw while it lasts, the size and its changes passed on, put back at the end', async (t) => {
  const { control, pty, text } = await onTerminal(t, `run -it -- sh -c 'echo ready $TERM; head -c 3; exit 5'`);
  await pollUntil('the process runs', () => text().includes('ready xterm'));
  t.deepEqual(control.resizes, [{ columns: 90, rows: 33 }]);
  pty.resize(100, 40);
  await pollUntil('the new size arrives', () => control.resizes.length === 2);
  t.deepEqual(control.resizes[1], { columns: 100, rows: 40 });
  pty.write('a\u0003b'); // raw: a Ctrl-C is a byte for the process, and no line end is needed
  await pollUntil('the shell goes on', () => text().includes('all-done'));
  t.regex(text(), /exit=5/);
  t.regex(text(), / icanon /);
  t.regex(text(), / echo /);
  t.deepEqual(control.signals, []);
});

test('the terminal is put back when the command itself is ended', async (t) => {
  const { pty, text } = await onTerminal(t, `run -it -- sh -c 'echo ready $PPID; exec sleep 600'`);
  await pollUntil('the process runs', () => text().includes('ready'));
  const [client, ...others] = childrenOf(pty.pid);
  t.deepEqual(others, []);
  process.kill(client ?? t.fail('the client is not there'), 'SIGTERM');
  await pollUntil('the shell goes on', () => text().includes('all-done'));
  t.regex(text(), /exit=143/);
  t.regex(text(), / icanon /);
});

/** Other tests on this machine run the same command lines: only what this shell has started is meant. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map(Number).filter((pid) => {
    try {
      // proc(5): state and parent follow the name, which may hold anything.
      return Number(/\) \S+ (\d+) [^)]*$/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]) === parent;
    } catch {
      return false; // it has ended meanwhile
    }
  });
}
