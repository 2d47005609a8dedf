import test from 'ava';
import { bestOf, ratioOf, summaryOf } from '../../../../perf/bench/measure/report.js';
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
  t.is(bestOf(report, 'bulk-1-up', 'gbit', ['haproxy', 'nginx', 'vip'], 'more'), 'nginx');
  t.is(bestOf(report, 'latency', 'p99', ['haproxy', 'nginx'], 'less'), 'haproxy');
  t.is(bestOf(report, 'latency', 'p99', ['vip'], 'less'), undefined);
  t.is(summaryOf(report, 'bulk-1-up', 'gbit', 'haproxy')?.most, 9);
});

test('a ratio is the median of those within a round: a machine that is twice as fast for a while does not matter', (t) => {
  const report = reportOf({ 'bulk-1-up/gbit/vip': [9, 19, 4.5, null, 22], 'bulk-1-up/gbit/nft': [10, 20, 5, 7, 20] });
  t.is((summaryOf(report, 'bulk-1-up', 'gbit', 'vip')?.median ?? 0) / (summaryOf(report, 'bulk-1-up', 'gbit', 'nft')?.median ?? 1), 1.4, 'of the medians, 14 and 10');
  t.deepEqual(ratioOf(report, 'bulk-1-up', 'gbit', 'vip', 'nft'), { median: 0.925, low: 0.9, high: 1.1, confidence: 0.875, rounds: 4 });
  t.is(ratioOf(report, 'bulk-1-up', 'gbit', 'vip', 'nginx'), undefined);
  const apart = reportOf({ 'bulk-1-up/gbit/vip': [9, null], 'bulk-1-up/gbit/nft': [null, 10], 'bulk-1-up/gbit/nginx': [0, 0] });
  t.is(ratioOf(apart, 'bulk-1-up', 'gbit', 'vip', 'nft'), undefined, 'never in the same round');
  t.is(ratioOf(apart, 'bulk-1-up', 'gbit', 'vip', 'nginx'), undefined, 'to nothing');
});

test('a goal may be of another peer than the VIP', (t) => {
  const connects = goal(/offloaded \(nft\), new connections/);
  const report = reportOf({ 'connect/rate/nft': [100], 'connect/rate/vip-nft': [97], 'connect/rate/vip': [50] });
  const ratio = { peer: 'nft', median: 0.97, low: 0.97, high: 0.97, confidence: 0, rounds: 1 };
  t.deepEqual(judge(report, connects), { goal: connects, ratio: 0.97, ratios: { connect: ratio }, word: 'reached', certain: false });
});

test('the better peer by its median is the one that is compared with, also where another was better in a round', (t) => {
  const requests = goal(/keep-alive requests\/s vs the better/);
  const report = reportOf({ 'http/rate/vip': [120, 150, 90], 'http/rate/haproxy': [100, 100, 100], 'http/rate/nginx': [80, 110, 110] });
  const { ratio, ratios } = judge(report, requests);
  t.is(ratios.http?.peer, 'nginx');
  t.is(ratio, 150 / 110);
});

test('it is certain where no end of the interval says otherwise', (t) => {
  const connects = goal(/offloaded \(nft\), new connections/);
  const judged = (ours: number[]): string => {
    const { word, certain } = judge(reportOf({ 'connect/rate/nft': ours.map(() => 100), 'connect/rate/vip-nft': ours }), connects);
    return `${word} ${certain}`;
  };
  t.is(judged([96, 97, 98, 99, 99]), 'reached true');
  t.is(judged([94, 97, 98, 99, 99]), 'reached false');
  t.is(judged([94, 94, 94, 94, 94]), 'missed true');
  t.is(judged([96, 97, 98]), 'reached false', 'three rounds prove nothing');
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
  const { ratio, ratios, word } = judge(bulk(10, 8), plain);
  t.deepEqual([ratio, word], [2, 'aim']);
  t.deepEqual(Object.values(ratios).map(({ peer, median }) => [peer, median]), [['nginx', 2], ['haproxy', 2]]);
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
