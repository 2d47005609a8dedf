import test from 'ava';
import { startPty } from '../../../../kernel/run/pty.js';

test('bytes go in and come out of a terminal that can be resized', async (t) => {
  const terminal = startPty('sh', ['-c', 'stty -echo; printf "\\303"; read line; echo "got $line"; stty size; exit 7'], {
    env: process.env,
    columns: 80,
    rows: 24,
  });
  const chunks: Buffer[] = [];
  const first = new Promise<void>((resolve) => {
    terminal.onData((chunk) => {
      chunks.push(chunk);
      resolve();
    });
  });
  await first;
  t.true(Buffer.isBuffer(chunks[0]), 'half a character is not mended');
  terminal.resize(100, 30);
  terminal.write('hello\r');
  t.deepEqual(await terminal.exited, { code: 7, signal: 0 });
  t.is(Buffer.concat(chunks).toString('latin1'), '\u00c3got hello\r\n30 100\r\n');
  t.notThrows(() => terminal.kill('SIGTERM'), 'gone is no error');
});

test('a signal ends it and is told', async (t) => {
  const terminal = startPty('sleep', ['60'], { env: process.env, columns: 80, rows: 24 });
  terminal.kill('SIGKILL');
  t.deepEqual(await terminal.exited, { code: 0, signal: 9 });
});
