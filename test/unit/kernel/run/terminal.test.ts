import test from 'ava';
import { startPty } from '../../../support/pty.js';

const SIZE = { env: { PATH: process.env['PATH'] }, columns: 80, rows: 24 };

test('what a process has written on a terminal arrives, however soon it ends', async (t) => {
  const pty = startPty('seq', ['3000'], SIZE);
  let text = '';
  pty.onData((chunk) => (text += chunk.toString()));
  t.deepEqual(await pty.exited, { code: 0, signal: null });
  t.is(text, Array.from({ length: 3000 }, (_, i) => `${i + 1}\r\n`).join(''));
});

test('a process on a terminal that nobody reads ends all the same', async (t) => {
  t.deepEqual(await startPty('sh', ['-c', 'echo nobody reads this; exit 4'], SIZE).exited, { code: 4, signal: null });
});
