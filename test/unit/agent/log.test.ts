import test from 'ava';
import { createLogger, humanLine, type LogFormat, type LogLevel } from '../../../agent/log.js';

function captured(format: LogFormat, level: LogLevel = 'info'): { log: ReturnType<typeof createLogger>; lines: string[] } {
  const lines: string[] = [];
  return { log: createLogger({ format, level, write: (line) => lines.push(line) }), lines };
}

test('JSON lines have time, level, message and fields', (t) => {
  const { log, lines } = captured('json');
  log.info('task started', { task: 'vote.1' });
  t.is(lines.length, 1);
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  t.regex(String(line['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  delete line['time'];
  t.deepEqual(line, { level: 'info', msg: 'task started', task: 'vote.1' });
});

test('human lines have the fields of the line and of the logger', (t) => {
  const { log, lines } = captured('human');
  log.child({ task: 'vote.1' }).warn('restarting', { after: 250, reason: 'exit code 1', none: '' });
  t.regex(lines[0] ?? '', /^\d\d:\d\d:\d\d\.\d{3} warn {2}restarting task=vote\.1 after=250 reason="exit code 1" none=""\n$/);
});

test('levels below the chosen one are not written', (t) => {
  const { log, lines } = captured('human', 'warn');
  log.trace('no');
  log.debug('no');
  log.info('no');
  log.warn('yes');
  log.error('yes');
  t.is(lines.length, 2);
});

test('an error shows its stack, in both formats', (t) => {
  for (const format of ['human', 'json'] as const) {
    const { log, lines } = captured(format);
    log.error('reconcile failed', { err: new TypeError('of this kind') });
    t.is(lines.length, 1);
    t.true(lines[0]?.includes('of this kind'));
    t.true(lines[0]?.includes('log.test'), 'where it happened');
  }
});

test('a message cannot forge a line', (t) => {
  t.is(humanLine('{"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"m","name":"a\\nb=c"}', false), '03:04:05.678 info  m name="a\\nb=c"\n');
});

test('colour is only around the level', (t) => {
  t.is(humanLine('{"time":"2026-01-02T03:04:05.678Z","level":"error","msg":"m"}', true), '03:04:05.678 \u001b[31merror\u001b[0m m\n');
});
