import test from 'ava';
import { bulkRate, requestRate } from '../../../../perf/profile/load.js';
import { renderPage } from '../../../../perf/profile/page.js';
import { placeOf } from '../../../../perf/profile/place.js';
import { numbered, topFunctions } from '../../../../perf/profile/table.js';

const frame = (functionName: string, url = '', lineNumber = -1, columnNumber = -1) => ({ functionName, url, lineNumber, columnNumber });

test('the table: a section for each thread, shares of its time and of its work, the small left out', (t) => {
  const functions = [
    { frame: frame('write', 'libc'), self: 600_000 },
    { frame: frame('', 'entry'), self: 200_000 },
    { frame: frame('third', 'x'), self: 100_000 },
    { frame: frame('tiny', 'x'), self: 1 },
  ];
  const text = topFunctions([{ name: 'dataplane', times: { wall: 2_000_000, waiting: 1_000_000, functions } }], ({ url }) => `at ${url}`, 2);
  t.deepEqual(text.split('\n'), [
    'thread dataplane: 50.0 % busy in 2.0 s',
    '       self  of time  of busy  function',
    '   600.0 ms   30.0 %   60.0 %  write  at libc',
    '   200.0 ms   10.0 %   20.0 %  (anonymous)  at entry',
    '',
  ]);
  t.notRegex(topFunctions([{ name: 'x', times: { wall: 2_000_000, waiting: 0, functions } }], () => '', 9), /tiny/);
});

test('the table of a thread that did nothing', (t) => {
  t.is(topFunctions([{ name: 'relay', times: { wall: 0, waiting: 0, functions: [] } }], () => ''), 'thread relay: - busy in 0.0 s\n  nothing that took 0.1 % of the time\n');
});

test('threads with one task are numbered', (t) => {
  t.deepEqual(numbered(['main', 'dataplane', 'relay', 'dataplane']), ['main', 'dataplane 1', 'relay', 'dataplane 2']);
});

test('a place is that of the source, not of what was compiled', (t) => {
  const compiled = import.meta.url;
  t.regex(placeOf(frame('x', compiled, 12, 4)), /^test\/unit\/perf\/profile\/report\.test\.ts:\d+$/);
  t.is(placeOf(frame('write')), '');
  t.is(placeOf(frame('spawn', 'node:child_process', 753, 1)), 'node:child_process:754');
  t.is(placeOf(frame('f', 'file:///x/node_modules/@a/b/node_modules/dns2/packet.js', 9, 1)), 'dns2 packet.js:10');
  t.is(placeOf(frame('f', 'file:///x/node_modules/@a/b/lib/c.js', 9, 1)), '@a/b lib/c.js:10');
});

test('the page links what there is and says why something is not', (t) => {
  const html = renderPage({
    subtitle: 'now',
    load: ['bulk <fast>'],
    entries: [
      { title: 'flame', about: 'stacks', href: 'flame/agent.clinic-flame.html' },
      { title: 'doctor', about: 'loop', failure: 'Not made: "x" & y' },
    ],
    table: 'a < b',
  });
  t.true(html.includes('<a href="flame/agent.clinic-flame.html">flame</a></dt><dd>stacks</dd>'));
  t.true(html.includes('<dt>doctor</dt><dd>loop <span class="failure">Not made: &#34;x&#34; &#38; y</span>'));
  t.true(html.includes('bulk &#60;fast&#62;') && html.includes('a &#60; b'));
  t.is(html.match(/<h2>/g)?.length, 3);
  t.is(renderPage({ subtitle: '', load: [], entries: [], table: '' }).match(/<h2>/g)?.length, 1);
});

test('what a load came to', (t) => {
  t.is(bulkRate('{"end":{"sum_received":{"bits_per_second":8123456789}}}'), '8.12 Gbit/s');
  t.is(bulkRate('{"error":"unable to connect","end":{}}'), 'failed: unable to connect');
  t.is(requestRate('1000 0\n', 8), '125/s');
  t.is(requestRate('1000 3\n', 8), '125/s, 3 failed');
});
