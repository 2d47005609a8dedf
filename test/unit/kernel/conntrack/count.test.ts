import test from 'ava';
import { countFlows, type FlowCount } from '../../../../kernel/conntrack/count.js';
import { readFlows } from '../../../../kernel/conntrack/flow.js';
import { TRACKED } from '../offload/outputs.js';

function counted(xml: string): FlowCount[] {
  const counting = countFlows(xml);
  for (;;) {
    const step = counting.next();
    if (step.done) return step.value;
  }
}

/** The same by what the XML parser reads. */
function byParser(xml: string): FlowCount[] {
  const counts = new Map<string, FlowCount>();
  for (const { original, reply, state, mark, bytes } of readFlows(xml)) {
    if (state === 'TIME_WAIT' || state === 'CLOSE') continue;
    if (original.destination === reply.source && original.destinationPort === reply.sourcePort) continue;
    const key = `${mark} ${reply.source}:${reply.sourcePort}`;
    const count = counts.get(key) ?? { mark, address: reply.source, port: reply.sourcePort, flows: 0, bytes: 0 };
    counts.set(key, { ...count, flows: count.flows + 1, bytes: count.bytes + bytes });
  }
  return [...counts.values()];
}

test('counts what the XML parser reads', (t) => {
  t.true(byParser(TRACKED).length > 1);
  t.deepEqual(counted(TRACKED), byParser(TRACKED));
  t.deepEqual(counted(''), []);
  t.deepEqual(counted(TRACKED.slice(0, TRACKED.indexOf('</flow>'))), [], 'a flow that is cut off');
});

test('of many flows, those that go on', (t) => {
  const one = TRACKED.slice(TRACKED.indexOf('<flow>'), TRACKED.indexOf('</flow>') + 7);
  const [flow] = readFlows(one);
  const xml = one.repeat(12_345) + one.replace('ESTABLISHED', 'TIME_WAIT').repeat(10) + one.replace('ESTABLISHED', 'CLOSE').repeat(10) + one.replace('ESTABLISHED', 'CLOSE_WAIT');
  t.deepEqual(counted(xml), [{ mark: 259, address: '10.0.1.4', port: 8080, flows: 12_346, bytes: 12_346 * (flow?.bytes ?? 0) }]);
});
