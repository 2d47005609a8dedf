import test from 'ava';
import { condensed } from '../../../agent/condensed.js';
import { createLogger } from '../../../agent/log.js';
import { FakeClock } from '../../../proxy/time/clock.js';

/** Lines of a log, without their time. */
function watched(): { readonly lines: string[]; readonly clock: FakeClock; readonly log: ReturnType<typeof condensed> } {
  const lines: string[] = [];
  const clock = new FakeClock();
  const write = (line: string): void => {
    lines.push(line.trimEnd().slice('12:34:56.789 '.length));
  };
  return { lines, clock, log: condensed(createLogger({ level: 'info', format: 'human', write }), clock) };
}

test('a warning that comes four times a second is one line at once, and then fewer and fewer, with how often it came', (t) => {
  const { lines, clock, log } = watched();
  for (let quarter = 0; quarter < 4 * 71; quarter++) {
    log.warn('it is gone', { problem: `table ${quarter}` });
    clock.advance(250);
  }
  t.deepEqual(lines, [
    'warn  it is gone problem="table 0"',
    'warn  it is gone problem="table 39" again=39 seconds=10',
    'warn  it is gone problem="table 119" again=80 seconds=20',
    'warn  it is gone problem="table 279" again=160 seconds=40',
  ]);
  clock.advance(80_000);
  t.is(lines.at(-1), 'warn  it is gone problem="table 283" again=4 seconds=80', 'what came since is not lost');
});

test('after a time without it, it is told at once again; other warnings are told by themselves', (t) => {
  const { lines, clock, log } = watched();
  log.warn('it is gone');
  log.warn('it cannot be told');
  log.info('offloaded');
  log.info('offloaded');
  clock.advance(10_000);
  log.warn('it is gone');
  t.deepEqual(lines, ['warn  it is gone', 'warn  it cannot be told', 'info  offloaded', 'info  offloaded', 'warn  it is gone']);
});

test('it is never silent for longer than ten minutes', (t) => {
  const { lines, clock, log } = watched();
  for (let second = 0; second < 3600; second++) {
    log.warn('it is gone');
    clock.advance(1000);
  }
  const waits = lines.slice(1).map((line) => Number(/seconds=(\d+)$/.exec(line)?.[1]));
  t.deepEqual(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
});
