import test from 'ava';
import { random, shuffled, turnOrders } from '../../../../perf/bench/measure/order.js';
import { parts } from '../../../../perf/bench/work/flows.js';
import { medianInterval, quantile, quantiles, summarize } from '../../../../perf/bench/measure/statistics.js';

test('a quantile is the nearest rank: never an average, never beyond the samples', (t) => {
  const samples = Float64Array.from({ length: 1000 }, (_, index) => 1000 - index);
  t.deepEqual(quantiles(samples), { p50: 500, p99: 990, p999: 999 });
  t.is(samples[0], 1000, 'the samples are left as they were');
  t.is(quantile([7], 0.999), 7);
  t.is(quantile([1, 2, 3], 0), 1);
  t.is(quantile([1, 2, 3], 1), 3);
  t.is(quantile([], 0.5), Number.NaN);
});

test('one slow request of a hundred is the p99 only beyond the rank', (t) => {
  const fast = Array<number>(99).fill(1);
  t.is(quantiles(Float64Array.from([...fast, 50])).p99, 1);
  t.is(quantiles(Float64Array.from([...fast.slice(1), 50, 50])).p99, 50);
});

test('a summary: median of odd and even counts, least and most; numbers, not text, are compared', (t) => {
  t.deepEqual(summarize([10, 9, 100]), { median: 10, least: 9, most: 100, count: 3 });
  t.deepEqual(summarize([4, 1, 3, 2]), { median: 2.5, least: 1, most: 4, count: 4 });
});

test('where a median is: by how many coins fall on one side', (t) => {
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => count - index);
  t.deepEqual(medianInterval([7]), { low: 7, high: 7, confidence: 0 });
  t.deepEqual(medianInterval([3, 1, 2]), { low: 1, high: 3, confidence: 0.75 });
  t.deepEqual(medianInterval([10, 9, 100, 8, 11]), { low: 8, high: 100, confidence: 1 - 2 / 32 });
  t.deepEqual(medianInterval(upTo(7)), { low: 1, high: 7, confidence: 1 - 2 / 128 }, 'without the ends: 0.875');
  t.deepEqual(medianInterval(upTo(9)), { low: 2, high: 8, confidence: 1 - (2 * (1 + 9)) / 512 });
  t.deepEqual(medianInterval(upTo(17)), { low: 5, high: 13, confidence: 1 - (2 * (1 + 17 + 136 + 680 + 2380)) / 2 ** 17 });
});

test('of two peers each is before the other as often as after it, and comes to other places', (t) => {
  const orders = turnOrders(['a', 'b', 'c', 'd', 'e'], 10, random(7));
  t.is(orders.length, 10);
  for (const [x, y] of [['a', 'b'], ['b', 'e'], ['d', 'a']] as const) t.is(orders.filter((order) => order.indexOf(x) < order.indexOf(y)).length, 5);
  t.true(new Set(orders.map((order) => order.join(''))).size > 4);
  t.deepEqual(turnOrders(['a', 'b', 'c', 'd', 'e'], 3, random(7)), orders.slice(0, 3), 'the same for the same seed; an odd number of rounds');
  for (const order of orders) t.deepEqual([...order].sort(), ['a', 'b', 'c', 'd', 'e']);
});

test('the order of turns: every peer once, the same for the same seed, another for another', (t) => {
  const peers = ['none', 'nft', 'vip', 'haproxy', 'nginx', 'relay'];
  const orders = (seed: number): string[] => {
    const next = random(seed);
    return Array.from({ length: 5 }, () => shuffled(peers, next).join(' '));
  };
  t.deepEqual(orders(1), orders(1));
  t.notDeepEqual(orders(1), orders(2));
  t.true(new Set(orders(1)).size > 1, 'rounds differ');
  for (const order of orders(3)) t.deepEqual(order.split(' ').sort(), [...peers].sort());
});

test('every peer comes to every place about equally often', (t) => {
  const next = random(42);
  const places = [0, 0, 0, 0];
  for (let round = 0; round < 4000; round++) {
    const place = shuffled(['a', 'b', 'c', 'd'], next).indexOf('a');
    places[place] = (places[place] ?? 0) + 1;
  }
  for (const count of places) t.true(count > 850 && count < 1150, places.join(' '));
});

test('many flows are shared among processes evenly, none left out and none above its limit', (t) => {
  t.deepEqual(parts(100_000, 19_000), [16_666, 16_667, 16_667, 16_666, 16_667, 16_667]);
  t.deepEqual(parts(5, 10), [5]);
  t.deepEqual(parts(20, 10), [10, 10]);
});
