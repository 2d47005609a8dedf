import test from 'ava';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '../../../../overlay/model/duration.js';
import { ValidationError } from '../../../../overlay/model/errors.js';

const good: readonly [string, number][] = [
  ['0', 0], ['0s', 0], ['500ms', 500], ['10s', 10_000], ['1m30s', 90_000], ['1.5s', 1500], ['.5s', 500], ['2.s', 2000],
  ['1h', 3_600_000], ['1h2m3s4ms', 3_723_004], ['30s1m', 90_000], ['1500us', 2], ['1000µs', 1], ['2000000ns', 2],
];
for (const [text, milliseconds] of good) test(`'${text}' is ${milliseconds} ms`, (t) => t.is(parseDuration(text), milliseconds));

for (const text of ['', '10', '-1s', '1 s', 's', '.s', '10q', '1s!', '10S', '1e3s', '+1s', '99999999999999h']) {
  test(`'${text}' is not a duration`, (t) => {
    const error = t.throws(() => parseDuration(text), { instanceOf: ValidationError });
    t.true(error?.message.includes(`'${text}'`));
  });
}

const shown: readonly [number, string][] = [[0, '0s'], [20, '20ms'], [1000, '1s'], [1500, '1.5s'], [60_000, '1m'], [90_000, '1m30s'], [3_600_000, '1h'], [3_601_000, '1h1s']];
for (const [milliseconds, text] of shown) test(`${milliseconds} ms is shown as ${text}`, (t) => t.is(formatDuration(milliseconds), text));

test('what is shown is read back', (t) => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 1e12 }), (milliseconds) => parseDuration(formatDuration(milliseconds)) === milliseconds));
  t.pass();
});
