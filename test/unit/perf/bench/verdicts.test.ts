import test from 'ava';
import { bestOf, summaryOf } from '../../../../perf/bench/measure/report.js';
import { GOALS, judge, judgeAll, type Goal } from '../../../../perf/bench/measure/verdicts.js';
import { PEERS } from '../../../../perf/bench/peers/peers.js';
import { WORKS } from '../../../../perf/bench/work/works.js';
import { reportOf } from './report.js';

function goal(title: RegExp): Goal {
  const found = GOALS.find((candidate) => title.test(candidate.title));
  if (!found) throw new Error(`no goal ${title.source}`);
  return found;
}

test('goals name peers, works and metrics that there are', (t) => {
  for (const { works, metric, peers, ours, title } of GOALS) {
    for (const peer of [...peers, ours ?? 'vip']) t.true(PEERS.some(({ name }) => name === peer), `${title}: ${peer}`);
    for (const work of works) {
      const found = WORKS.find(({ name }) => name === work);
      t.true(found?.metrics.some(({ key }) => key === metric), `${title}: ${work} ${metric}`);
    }
  }
});

test('the best of several peers counts, by medians', (t) => {
  const report = reportOf({ 'bulk-1-up/gbit/haproxy': [4, 9, 4], 'bulk-1-up/gbit/nginx': [5, 5, 5], 'latency/p99/haproxy': [3, 2, 1], 'latency/p99/nginx': [5] });
  t.is(bestOf(report, 'bulk-1-up', 'gbit', ['haproxy', 'nginx', 'vip'], 'more'), 5);
  t.is(bestOf(report, 'latency', 'p99', ['haproxy', 'nginx'], 'less'), 2);
  t.is(bestOf(report, 'latency', 'p99', ['vip'], 'less'), undefined);
  t.is(summaryOf(report, 'bulk-1-up', 'gbit', 'haproxy')?.most, 9);
});

test('a goal may be of another peer than the VIP', (t) => {
  const connects = goal(/offloaded \(nft\), new connections/);
  const report = reportOf({ 'connect/rate/nft': [100], 'connect/rate/vip-nft': [97], 'connect/rate/vip': [50] });
  t.deepEqual(judge(report, connects), { goal: connects, ratio: 0.97, ratios: { connect: 0.97 }, word: 'reached' });
});

const bulk = (up: number, down: number): ReturnType<typeof reportOf> =>
  reportOf({
    'bulk-1-up/gbit/vip': [up],
    'bulk-1-down/gbit/vip': [down],
    'bulk-1-up/gbit/haproxy': [4],
    'bulk-1-down/gbit/haproxy': [4],
    'bulk-1-up/gbit/nginx': [5],
    'bulk-1-down/gbit/nginx': [2],
  });

test('more is better: the worse direction decides, against the better peer of each direction', (t) => {
  const plain = goal(/1 stream.*nginx/);
  t.deepEqual(judge(bulk(10, 8), plain), { goal: plain, ratio: 2, ratios: { 'bulk-1-up': 2, 'bulk-1-down': 2 }, word: 'aim' });
  t.is(judge(bulk(7.5, 8), plain).word, 'reached');
  const missed = judge(bulk(10, 5), plain);
  t.is(missed.word, 'missed');
  t.is(missed.ratio, 1.25);
});

test('less is better for latency; the bound itself is reached', (t) => {
  const p99 = goal(/p99/);
  const at = (vip: number): string => judge(reportOf({ 'latency/p99/vip': [vip], 'latency/p99/haproxy': [20], 'latency/p99/haproxy-1-splice': [10] }), p99).word;
  t.is(at(7), 'aim');
  t.is(at(10), 'reached');
  t.is(at(10.1), 'missed');
});

test('a goal with a direction or a peer missing is not judged', (t) => {
  const half = reportOf({ 'bulk-1-up/gbit/vip': [9], 'bulk-1-up/gbit/nft': [10], 'bulk-1-down/gbit/nft': [10] });
  t.is(judge(half, goal(/nftables/)).word, 'not measured');
  t.true(judgeAll(reportOf({})).every(({ word, ratio }) => word === 'not measured' && ratio === undefined));
});
