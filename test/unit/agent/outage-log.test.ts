import test from 'ava';
import { OutageLog } from '../../../agent/outage-log.js';
import { FakeClock } from '../../../proxy/time/clock.js';

test('an outage is a line when it begins, one a minute, and one when it is over', (t) => {
  const clock = new FakeClock();
  const lines: unknown[] = [];
  const note = (message: string, fields?: object): void => void lines.push([message, fields]);
  const log = new OutageLog({ error: note, info: note }, clock, 'it fails', 'it works again');
  log.works();
  for (let second = 0; second <= 120; second += 3) {
    log.failed(new Error('no answer'));
    clock.advance(3000);
  }
  log.works();
  log.works();
  log.failed(new Error('no answer'));
  t.deepEqual(lines, [
    ['it fails', { problem: 'no answer' }],
    ['it fails', { problem: 'no answer', failures: 21, seconds: 60 }],
    ['it fails', { problem: 'no answer', failures: 41, seconds: 120 }],
    ['it works again', { seconds: 123 }],
    ['it fails', { problem: 'no answer' }],
  ]);
});
