import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openEmbeddedStore } from '../../../../overlay/store/embedded.js';
import { StoreError } from '../../../../overlay/store/store.js';

const directory = mkdtempSync(join(tmpdir(), 'vipmesh-embedded-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

/** Runs the writer until it has acknowledged `count` transactions, kills it, and answers which ones it acknowledged. */
async function writeAndKill(store: string, first: number, count: number): Promise<number[]> {
  const child = spawn(process.execPath, [new URL('embedded-writer.js', import.meta.url).pathname, store, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    if (output.split('\n').length > count) child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal !== 'SIGKILL') throw new Error(`the writer ended by itself: ${output.slice(-200)}`);
  // The last line may have been cut by the kill.
  return output.split('\n').slice(0, -1).map(Number);
}

test('kill -9 amid commits: everything acknowledged is there, and no half transaction', async (t) => {
  const path = join(directory, 'killed');
  let first = 1;
  for (const count of [1, 150, 40]) {
    const acknowledged = await writeAndKill(path, first, count);
    t.true(acknowledged.length >= count);
    const store = openEmbeddedStore(path);
    const log = (await store.list('log/')).entries;
    const present = new Set(log.map(({ key }) => Number(key.slice(4))));
    t.deepEqual(acknowledged.filter((i) => !present.has(i)), []);
    for (const { key, value } of log) t.is((value as string).length, Number(key.slice(4)) % 3000);
    const newest = log.reduce((a, b) => (a.revision > b.revision ? a : b));
    const same = (await store.list<number>('same/')).entries;
    t.deepEqual(same.map(({ value, revision }) => [value, revision]), Array.from({ length: 5 }, () => [Number(newest.key.slice(4)), newest.revision]));
    t.deepEqual(log.map(({ revision }) => revision).sort((a, b) => a - b), log.map((_, i) => i + 1), 'every revision once: one for each transaction of every run');
    t.is((await store.list('')).revision, newest.revision);
    first = Math.max(...present) + 1;
    await store.close();
  }
});

function refused(t: { throws: (fn: () => unknown, expect: { instanceOf: typeof StoreError }) => Error | undefined }, path: string): string {
  return t.throws(() => openEmbeddedStore(path), { instanceOf: StoreError })?.message ?? '';
}

test('a directory that cannot be made is a StoreError that says what to do', (t) => {
  const file = join(directory, 'a-file');
  writeFileSync(file, '');
  const message = refused(t, join(file, 'store'));
  t.true(message.includes(file) && message.includes('choose another state directory'), message);
});

test('a directory that may not be written is a StoreError that names it, the cause and the remedy', (t) => {
  if (process.getuid?.() === 0) {
    t.log('not run as root, who may write everywhere');
    t.pass();
    return;
  }
  const path = mkdtempSync(join(directory, 'read-only-'));
  chmodSync(path, 0o500);
  const message = refused(t, path);
  // No uid: in a user namespace it would be 0, which is nobody's that the user knows.
  t.true(message.includes(path), message);
  t.regex(message, /EACCES.*that the agent's user may write to/);
});

test('foreign, damaged and cut-off files are StoreErrors that name the file and the remedy', async (t) => {
  const good = join(directory, 'good');
  const store = openEmbeddedStore(good);
  for (let i = 0; i < 300; i++) await store.commit([], [{ put: `k${i}`, value: 'x'.repeat(400) }]);
  await store.close();
  const data = readFileSync(join(good, 'data.mdb'));
  const damage: Record<string, (file: string) => void> = {
    text: (file) => writeFileSync(file, 'hello'),
    noise: (file) => writeFileSync(file, Buffer.alloc(100_000, 0x5a)),
    'first page only': (file) => truncateSync(file, 4096),
    'half of it': (file) => truncateSync(file, 3 * 4096),
    'second meta page': (file) => writeFileSync(file, Buffer.concat([data.subarray(0, 4096), Buffer.alloc(4096), data.subarray(8192)])),
  };
  for (const [name, apply] of Object.entries(damage)) {
    const path = mkdtempSync(join(directory, 'damaged-'));
    copyFileSync(join(good, 'data.mdb'), join(path, 'data.mdb'));
    apply(join(path, 'data.mdb'));
    const message = refused(t, path);
    t.true(message.includes(path) && message.includes('move it away'), `${name}: ${message}`);
  }
});

test('a store of a newer format is refused', async (t) => {
  const path = join(directory, 'newer');
  const store = openEmbeddedStore(path);
  await store.commit([], [{ put: 'a', value: 1 }]);
  await store.close();
  // In the B-tree's page the value `1` follows its key.
  const file = join(path, 'data.mdb');
  const text = readFileSync(file, 'latin1');
  t.regex(text, /format\0*1/);
  writeFileSync(file, text.replaceAll(/(format\0*)1/g, '$12'), 'latin1');
  t.regex(refused(t, path), /format 2, and this version reads format 1/);
});

test('an empty data file is a new store', async (t) => {
  const path = mkdtempSync(join(directory, 'empty-'));
  writeFileSync(join(path, 'data.mdb'), '');
  const store = openEmbeddedStore(path);
  t.is(await store.commit([], [{ put: 'a', value: 1 }]), 1);
  await store.close();
});

test('a full disk refuses commits, keeps what is there, and goes on when there is room', async (t) => {
  let free = 1e9;
  const store = openEmbeddedStore(join(directory, 'full'), { freeBytes: () => free });
  await store.commit([], [{ put: 'a', value: 1 }]);
  free = 10_240;
  const failing = [store.commit([], [{ put: 'a', value: 2 }]), store.commit([], [{ put: 'b', value: 2 }])];
  for (const commit of failing) {
    const error = await t.throwsAsync(commit, { instanceOf: StoreError });
    t.regex(error?.message ?? '', /only 10 KiB free/);
  }
  t.deepEqual((await store.list('')).entries, [{ key: 'a', value: 1, revision: 1 }]);
  free = 1e9;
  t.is(await store.commit([], [{ put: 'a', value: 3 }]), 2);
  await store.close();
});

test('keys of leases are gone when the store is opened again: whoever had them is', async (t) => {
  const path = join(directory, 'leased');
  const store = openEmbeddedStore(path);
  const lease = await store.lease(60);
  await store.commit([], [{ put: 'a', value: 1, lease }, { put: 'b', value: 1, lease }, { put: 'c', value: 1 }]);
  await store.commit([], [{ put: 'b', value: 2 }]);
  await store.close();
  const again = openEmbeddedStore(path);
  const { entries, revision } = await again.list('');
  t.deepEqual(entries.map(({ key }) => key), ['b', 'c']);
  t.is(revision, 3);
  await again.close();
  const once = openEmbeddedStore(path);
  t.is((await once.list('')).revision, 3);
  await once.close();
});
