import test from 'ava';
import { ago, bytes, humanDuration, shortAge } from '../../../../../agent/cli/io/units.js';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

test('spans of time in Docker\'s words', (t) => {
  const cases: [number, string][] = [
    [0, 'Less than a second'], [999, 'Less than a second'], [S, '1 second'], [59 * S, '59 seconds'], [M, 'About a minute'], [119 * S, 'About a minute'],
    [2 * M, '2 minutes'], [59 * M, '59 minutes'], [H, 'About an hour'], [90 * M, '2 hours'], [47 * H, '47 hours'], [48 * H, '2 days'], [13 * D, '13 days'],
    [14 * D, '2 weeks'], [60 * D, '2 months'], [730 * D, '2 years'], [-5, 'Less than a second'],
  ];
  for (const [ms, text] of cases) t.is(humanDuration(ms), text);
  t.is(ago('2024-05-01T10:00:00.000Z', Date.parse('2024-05-01T10:05:00.000Z')), '5 minutes ago');
  t.is(ago('2024-05-01T10:00:00.000Z', Date.parse('2024-05-01T10:00:00.500Z')), 'less than a second ago');
});

test('short ages', (t) => {
  const cases: [number, string][] = [[0, '0.0s'], [450, '0.4s'], [9999, '9.9s'], [12 * S, '12s'], [190 * S, '3m10s'], [H + 5 * M, '1h05m'], [48 * H, '2d']];
  for (const [ms, text] of cases) t.is(shortAge(ms), text);
});

test('bytes in three digits', (t) => {
  const cases: [number, string][] = [[0, '0B'], [999, '999B'], [1000, '1.00kB'], [1234, '1.23kB'], [12_345, '12.3kB'], [999_499, '999kB'], [999_500, '1.00MB'], [64_100_000, '64.1MB'], [2 ** 50, '1.13PB']];
  for (const [count, text] of cases) t.is(bytes(count), text);
});
