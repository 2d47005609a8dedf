import test from 'ava';
import { metricText, ratioText, shortNumber } from '../../../../perf/bench/render/number.js';
import { renderHtml } from '../../../../perf/bench/render/html.js';
import { headline, verdictTable, workTable } from '../../../../perf/bench/render/rows.js';
import { renderSvg, tickStep } from '../../../../perf/bench/render/svg.js';
import { renderTable, renderText } from '../../../../perf/bench/render/text.js';
import type { ReportWork } from '../../../../perf/bench/measure/report.js';
import { reportOf } from './report.js';

const report = reportOf(
  {
    'bulk-1-up/gbit/none': [12, 10, 11],
    'bulk-1-up/cpu/none': [1, 1, 1],
    'bulk-1-up/gbit/vip': [6, 7, 6.6],
    'bulk-1-up/cpu/vip': [2, 3, 4],
    'bulk-1-up/gbit/nginx': [3.3],
    'latency/p99/haproxy': [2],
    'latency/p99/vip': [1],
  },
  { failures: [{ peer: 'haproxy', round: 0, message: 'not\nthere' }, { peer: 'nft', work: 'bulk-1-up', round: 2, message: 'timed out' }] },
);

test('three figures that count', (t) => {
  t.deepEqual([0, 0.1234, 1.234, 12.34, 123.4, 12_345.6, Number.NaN].map(shortNumber), ['0.00', '0.123', '1.23', '12.3', '123', '12,346', '–']);
  t.is(ratioText(0.856), '0.86 ×');
  t.deepEqual([metricText(-12, 'bytes each'), metricText(0, 'bytes each'), metricText(-12, 'ms')], ['–', '0.00', '-12.0'], 'less memory than nothing was not measured');
});

test('a work as a table: medians, spread, ratio to the best of the class in the same round; failed peers stay visible, others are left out', (t) => {
  const table = workTable(report, report.works[0] as ReportWork);
  t.deepEqual(table.rows, [
    ['no balancer', '11.0', '10.0 … 12.0', 'kernel', '1.00 ×', '1.00'],
    ['nftables DNAT', 'failed', '–', 'kernel', '–', '–'],
    ['vipmesh, VIP', '6.60', '6.00 … 7.00', 'userspace', '1.00 ×', '3.00'],
    ['HAProxy', 'failed', '–', 'userspace', '–', '–'],
    ['nginx stream', '3.30', '3.30 … 3.30', 'userspace', '0.55 ×', '–'],
  ]);
  t.deepEqual(table.head.slice(3, 5), ['class', 'to best of class (more is better)']);
  const alone = workTable(reportOf({ 'bulk-1-up/gbit/vip': [6], 'bulk-1-up/gbit/nginx': [3] }), report.works[0] as ReportWork);
  t.deepEqual(alone.rows[1], ['nginx stream', '3.00', '3.00 … 3.00', '0.50 ×', '–'], 'of one class: it need not be named');
  t.is(alone.head[3], 'to best (more is better)');
});

test('on the terminal: columns line up', (t) => {
  const text = renderTable({ title: 'T', head: ['', 'rate', 'x'], rows: [['a', '1', '22222'], ['longer', '100', '3']] });
  t.is(text, 'T\n        rate      x\na          1  22222\nlonger   100      3\n');
});

test('the whole text: where, tables, verdicts, failures on one line each', (t) => {
  const text = renderText(report);
  t.regex(text, /^2 × a processor, 8 GiB, Linux 6\.18, Node v20, load 0\.1 before; 3 rounds of 1 s/);
  t.regex(text, /\n {2}haproxy: did not start: not there\n {2}nft: bulk-1-up, round 2: timed out\n/);
  t.is(verdictTable(report).rows.length, 11);
  t.false(renderText(reportOf({})).includes('Must reach'), 'no verdict without a measurement');
  t.regex(text, /nftables DNAT +≥ 0\.70 × +≥ 0\.90 × +– +not measured/);
});

test('verdicts: median and interval of each ratio, and whether more rounds might say otherwise', (t) => {
  const paired = reportOf({ 'latency/p99/vip': [6, 12, 3, 6, 9], 'latency/p99/haproxy': [10, 20, 5, 10, 10] }, { settings: { ...report.settings, rounds: 5 } });
  const row = verdictTable(paired).rows.find(([title]) => title?.startsWith('p99'));
  t.deepEqual(row, ['p99 latency at equal load vs HAProxy', '≤ 1.00 ×', '≤ 0.70 ×', '0.60 × (0.60 … 0.90)', 'aim reached']);
  t.regex(verdictTable(paired).title, /median of the ratios within each round, in brackets where it is with a certainty of 90 %;/);
  t.regex(verdictTable(report).title, /in brackets the least and the most;/, 'three rounds');
  t.is(verdictTable(report).rows.find(([title]) => title?.startsWith('p99'))?.at(-1), 'aim reached, not certain');
  const svg = renderSvg(paired);
  t.regex(svg, />Ratios that must be reached<.*>p99 latency at equal load vs HAProxy<.*<circle .*>0\.60 × \(0\.60 … 0\.90\)</s);
});

test('one round is for a look; flows are mentioned where they are held', (t) => {
  const quick = reportOf({}, { settings: { ...report.settings, rounds: 1 } });
  t.true(verdictTable(quick).title.endsWith('; one round: for a look only'));
  t.false(verdictTable(report).title.includes('look'));
  t.false(headline(quick).includes('flows'));
  t.true(headline({ ...quick, works: [{ name: 'flows', title: 'idle flows', metrics: [] }] }).includes(', 100000 flows;'));
});

test('ticks are round and few', (t) => {
  t.deepEqual([5, 12.4, 0.03, 40_000].map(tickStep), [1, 5, 0.01, 10_000]);
});

test('the chart: a bar for each median, to scale; text is escaped; colours for light and dark', (t) => {
  const svg = renderSvg(report);
  const widths = [...svg.matchAll(/<rect class="(?:ours|kernel|other)"[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));
  t.is(widths.length, 5, 'three peers at bulk, two at latency; works without a sample have no panel');
  t.true(Math.abs((widths[1] ?? 0) / (widths[0] ?? 1) - 0.6) < 0.01, widths.join(' '));
  t.regex(svg, /latency &#60;equal load&#62;/);
  t.regex(svg, /prefers-color-scheme: dark/);
  t.regex(svg, />throughput in Gbit\/s: more is better</);
  t.regex(svg, />0<.*>5<.*>10<.*>15</s);
  t.notRegex(svg, /NaN|undefined|Infinity/);
});

test('the page has chart, tables and failures', (t) => {
  const html = renderHtml(report);
  for (const part of ['<svg', '<h2>bulk up</h2>', '<h2>latency &#60;equal load&#62;</h2>', 'haproxy: did not start', 'haproxy 2.6']) t.true(html.includes(part), part);
});
