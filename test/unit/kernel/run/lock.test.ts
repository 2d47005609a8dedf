import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { lockFile, type FileLock } from '../../../../kernel/run/lock.js';

function place(): string {
  return join(fs.mkdtempSync(join(os.tmpdir(), 'lock-')), 'lock');
}

test('one holder at a time, and the other learns who', (t) => {
  const path = place();
  const lock = lockFile(path) as FileLock;
  t.deepEqual(lockFile(path), { heldBy: '' });
  lock.write('a longer text than the next');
  lock.write('agent n1 pid 42');
  t.deepEqual(lockFile(path), { heldBy: 'agent n1 pid 42' });
  lock.release();
  lock.release();
  t.false(fs.existsSync(path));
  const next = lockFile(path) as FileLock;
  t.is(fs.readFileSync(path, 'utf8'), '');
  next.release();
});

test('a holder that was killed holds nothing, and what it wrote is gone', async (t) => {
  const path = place();
  const source = `
    import { lockFile } from ${JSON.stringify(new URL('../../../../kernel/run/lock.js', import.meta.url).href)};
    lockFile(${JSON.stringify(path)}).write('pid ' + process.pid);
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await child.stdout.take(1).toArray();
  t.deepEqual(lockFile(path), { heldBy: `pid ${child.pid}` });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  child.kill('SIGKILL');
  await exited;
  const lock = lockFile(path) as FileLock;
  t.is(fs.readFileSync(path, 'utf8'), '');
  lock.release();
});
