import test from 'ava';
import { Interruptions, SETTLE } from '../../../../agent/lifecycle/interruptions.js';

test('the first signal shuts down, whichever it is', (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) t.is(new Interruptions().signal(signal, 5), 'shut down');
});

test('one Ctrl-C that arrives twice, from the terminal and from npm, is one', (t) => {
  const interruptions = new Interruptions();
  t.is(interruptions.signal('SIGINT', 1000), 'shut down');
  t.is(interruptions.signal('SIGINT', 1000), 'nothing new');
  t.is(interruptions.signal('SIGINT', 1000 + SETTLE - 1), 'nothing new');
});

test('a second Ctrl-C kills', (t) => {
  const interruptions = new Interruptions();
  interruptions.signal('SIGINT', 0);
  t.is(interruptions.signal('SIGINT', SETTLE), 'kill');
});

test('a terminal that closes meanwhile does not', (t) => {
  const interruptions = new Interruptions();
  interruptions.signal('SIGINT', 0);
  t.is(interruptions.signal('SIGHUP', 10 * SETTLE), 'nothing new');
  t.is(interruptions.signal('SIGTERM', 10 * SETTLE), 'kill');
});
