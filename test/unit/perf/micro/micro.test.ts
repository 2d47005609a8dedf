import test from 'ava';
import { measure, shuffled, spreadOf } from '../../../../perf/micro/harness.js';
import { figure, isReached, nanoseconds, ratio, renderResults } from '../../../../perf/micro/result.js';

test('the median lies between the fastest and the slowest', (t) => {
  t.deepEqual(spreadOf([5, 1, 9]), { median: 5, fastest: 1, slowest: 9 });
  t.deepEqual(spreadOf([7]), { median: 7, fastest: 7, slowest: 7 });
  t.throws(() => spreadOf([]), { instanceOf: RangeError });
});

test('cases take turns, each round is prepared, and the first does not count', (t) => {
  const calls: string[] = [];
  const made = (name: string, operations: number) => ({
    name,
    operations,
    prepare: () => void calls.push(`prepare ${name}`),
    run: (count: number) => calls.push(`${name} ${count}`),
  });
  const rounds = measure([made('a', 3), made('b', 5)], { rounds: 2, roundMs: 1 });
  const round = ['prepare a', 'a 3', 'prepare b', 'b 5'];
  t.deepEqual(calls, [...round, ...round, ...round]);
  t.deepEqual(rounds.map((values) => values.length), [2, 2]);
  t.true(rounds.flat().every((value) => value >= 0));
});

test('without a number of operations, a round is filled', (t) => {
  let longest = 0;
  const work = (operations: number): number => {
    longest = Math.max(longest, operations);
    let sum = 0;
    for (let i = 0; i < operations; i++) sum = (Math.imul(sum, 31) + i) | 0;
    return sum;
  };
  const [rounds = []] = measure([{ name: 'work', run: work }], { rounds: 1, roundMs: 2 });
  t.true(longest > 1000, 'of something that takes nanoseconds, many');
  t.true(rounds[0]! > 0 && rounds[0]! < 1000, 'per operation, not per round');
});

test('an order has every number once, and is none that a prefetcher knows', (t) => {
  const order = shuffled(1000);
  t.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 1000 }, (_, i) => i));
  t.true([...order].filter((value, i) => value === i).length < 20);
  t.deepEqual(shuffled(1000), order);
});

test('a ratio is that of each round', (t) => {
  const { median, fastest, slowest, unit, atLeast } = ratio('flow', 'x', [10, 40, 90], [1, 10, 10], { atLeast: 5 });
  t.deepEqual([median, fastest, slowest, unit, atLeast], [9, 4, 10, '×', 5]);
});

test('what was set is reached or not, and nothing else is judged', (t) => {
  t.is(isReached(figure('memory', 'm', 'MB', 96, { atMost: 96 })), true);
  t.is(isReached(figure('memory', 'm', 'MB', 97, { atMost: 96 })), false);
  t.is(isReached(figure('flow', 'r', '×', 4.9, { atLeast: 5 })), false);
  t.is(isReached(figure('flow', 'r', '×', 5, { atLeast: 5 })), true);
  t.is(isReached(figure('flow', 'r', '×', 1)), undefined);
});

test('the table', (t) => {
  const results = [
    ...nanoseconds('wire', [{ name: 'parse' }, { name: 'rewrite it' }], [[12.34, 5, 1234.5], [0.5]]),
    figure('memory', 'all', 'MB', 97, { atMost: 96 }),
    figure('memory', 'none', 'collections', 0, { atMost: 0 }),
  ];
  t.deepEqual(renderResults(results).split('\n'), [
    'wire',
    '  parse           12.3 ns          (5 to 1235)',
    '  rewrite it      0.50 ns',
    '',
    'memory',
    '  all               97 MB                               at most 96: MISSED',
    '  none               0 collections                      at most 0: reached',
  ]);
  t.is(renderResults([]), '');
});
