import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LogFile, type LogFileOptions } from '../../../../agent/tasks/log-file.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

interface Bench {
  readonly log: LogFile;
  readonly clock: FakeClock;
  readonly write: (text: string) => void;
}

function bench(t: ExecutionContext, options: LogFileOptions = {}): Bench {
  const directory = mkdtempSync(join(os.tmpdir(), 'log-'));
  const clock = new FakeClock();
  const log = new LogFile(join(directory, 'a', 'task.log'), { clock, ...options });
  // As a task has it: a descriptor of its own, opened to append.
  const writer = openSync(log.path, 'a');
  t.teardown(() => {
    log.remove();
    closeSync(writer);
    rmSync(directory, { recursive: true });
  });
  return { log, clock, write: (text) => void writeSync(writer, text) };
}

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const got: string[] = [];
  for await (const line of lines) got.push(line);
  return got;
}

/** Collects what a follower gets; `turn` lets it see what has been written. */
function follower(log: LogFile, clock: FakeClock, tail?: number): { got: string[]; turn: () => Promise<void>; abort: AbortController; ended: Promise<void> } {
  const abort = new AbortController();
  const got: string[] = [];
  const ended = (async () => {
    for await (const line of log.follow(abort.signal, tail)) got.push(line);
  })();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    got,
    abort,
    ended,
    turn: async () => {
      await settle();
      clock.advance(200);
      await settle();
    },
  };
}

test('the file is for its owner alone', (t) => {
  const { log } = bench(t);
  t.is(statSync(log.path).mode & 0o777, 0o600);
});

test('read answers all lines, or the last ones, an unfinished one included', async (t) => {
  const { log, write } = bench(t);
  t.deepEqual(await all(log.read()), []);
  t.deepEqual(await all(log.read(5)), []);
  write('one\ntwo\n\nfour');
  t.deepEqual(await all(log.read()), ['one', 'two', '', 'four']);
  for (const [tail, expected] of [[0, []], [1, ['four']], [2, ['', 'four']], [4, ['one', 'two', '', 'four']], [9, ['one', 'two', '', 'four']]] as const) {
    t.deepEqual(await all(log.read(tail)), [...expected], `tail ${tail}`);
  }
  write('\n');
  t.deepEqual(await all(log.read(1)), ['four'], 'the newline that ends the last line starts no other');
});

test('the last lines are found across many blocks', async (t) => {
  const { log, write } = bench(t);
  const lines = Array.from({ length: 40_000 }, (_, index) => `line ${index}`);
  write(lines.map((line) => `${line}\n`).join(''));
  t.deepEqual(await all(log.read(30_000)), lines.slice(-30_000));
  t.deepEqual(await all(log.read()), lines);
});

test('a follower gets what there is, and then each line when it is complete', async (t) => {
  const { log, clock, write } = bench(t);
  write('old\nlast\n');
  const { got, turn, ended } = follower(log, clock, 1);
  await turn();
  t.deepEqual(got, ['last']);
  write('half');
  await turn();
  t.deepEqual(got, ['last']);
  write(' and half\nmore\nrest');
  await turn();
  t.deepEqual(got, ['last', 'half and half', 'more']);
  log.append('!');
  log.close();
  await ended;
  t.deepEqual(got, ['last', 'half and half', 'more', 'rest!']);
  t.deepEqual(await all(log.read(1)), ['rest!'], 'a closed log can be read');
});

test('a follower that is aborted ends at once', async (t) => {
  const { log, clock, write } = bench(t);
  write('one\n');
  const { got, turn, abort, ended } = follower(log, clock);
  await turn();
  abort.abort();
  await ended;
  t.deepEqual(got, ['one']);
  t.deepEqual(await all(log.follow(AbortSignal.abort())), []);
});

test('above its bound the log keeps its younger half, from the start of a line', async (t) => {
  const { log, clock, write } = bench(t, { maxBytes: 10_000 });
  const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}`);
  for (const line of lines) write(`${line}\n`);
  clock.advance(1000);
  const text = readFileSync(log.path, 'utf8');
  const kept = text.trimEnd().split('\n');
  t.true(text.length <= 5000 && text.length > 4900, `${text.length} bytes are left`);
  t.deepEqual(kept, lines.slice(-kept.length));
  write('next\n');
  t.deepEqual((await all(log.read())).slice(-2), ['line 2999', 'next'], 'writers go on at the end');
});

test('a follower misses nothing when the log is shortened between two looks', async (t) => {
  const { log, clock, write } = bench(t, { maxBytes: 1000 });
  const { got, turn } = follower(log, clock);
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
  for (const [index, line] of lines.entries()) {
    write(`${line}\n`);
    if (index % 20 === 0) await turn();
  }
  await turn();
  t.deepEqual(got, lines);
  t.true(statSync(log.path).size <= 1200);
});

test('a follower that was too slow goes on with what is left', async (t) => {
  const { log, clock, write } = bench(t, { maxBytes: 1000 });
  write('first\n');
  const { got, turn } = follower(log, clock);
  await turn();
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
  write(lines.map((line) => `${line}\n`).join(''));
  log.shorten();
  await turn();
  t.is(got[0], 'first');
  t.deepEqual(got.slice(1), lines.slice(-(got.length - 1)));
  t.true(got.length < 100);
});

test('a line longer than half the bound is cut, not kept for ever', (t) => {
  const { log, write } = bench(t, { maxBytes: 1000 });
  write('x'.repeat(5000));
  log.shorten();
  t.is(statSync(log.path).size, 500);
});

test('a follower notices that somebody emptied the file', async (t) => {
  const { log, clock, write } = bench(t);
  write('a rather long line\n');
  const { got, turn } = follower(log, clock);
  await turn();
  truncateSync(log.path);
  write('new\n');
  await turn();
  t.deepEqual(got, ['a rather long line', 'new']);
});

test('a log that exists is added to, and remove deletes it and ends its followers', async (t) => {
  const { log, clock, write } = bench(t);
  write('one\n');
  const again = new LogFile(log.path, { clock });
  again.append('two');
  t.deepEqual(await all(again.read()), ['one', 'two']);
  again.close();
  const { got, turn, ended } = follower(log, clock);
  await turn();
  log.remove();
  await ended;
  t.deepEqual(got, ['one', 'two']);
  t.false(existsSync(log.path));
  t.deepEqual(await all(log.read()), []);
  t.notThrows(() => log.remove());
});

/** How often this process has the file open. */
function descriptorsOf(path: string): number {
  const target = (fd: string): string | undefined => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The one by which the directory was read.
      return undefined;
    }
  };
  return readdirSync('/proc/self/fd').filter((fd) => target(fd) === path).length;
}

test('a closed log is open only while somebody reads it', async (t) => {
  const { log, write } = bench(t);
  write('one\ntwo\n');
  t.is(descriptorsOf(log.path), 3, "the task's, and both of the log");
  log.close();
  t.is(descriptorsOf(log.path), 1);
  const lines = log.read()[Symbol.asyncIterator]();
  t.is((await lines.next()).value, 'one');
  t.is(descriptorsOf(log.path), 2);
  await lines.return?.();
  t.is(descriptorsOf(log.path), 1);
  t.deepEqual(await all(log.read(1)), ['two']);
  rmSync(log.path);
  t.deepEqual(await all(log.read()), [], 'nor does it matter that somebody has deleted it');
});
