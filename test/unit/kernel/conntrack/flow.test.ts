import test from 'ava';
import { entryLine, piecesOf, readFlows } from '../../../../kernel/conntrack/flow.js';
import { TRACKED } from '../offload/outputs.js';

test('flows, as conntrack prints them', (t) => {
  const flows = readFlows(TRACKED);
  t.is(flows.length, 6);
  t.deepEqual(flows[0], {
    protocol: 'tcp',
    original: { source: '10.0.1.5', sourcePort: 35790, destination: '10.0.1.2', destinationPort: 8080 },
    reply: { source: '10.0.1.4', sourcePort: 8080, destination: '10.0.1.250', destinationPort: 35790 },
    state: 'ESTABLISHED',
    expires: 7433,
    mark: 259,
    bytes: 282,
    unreplied: false,
  });
  t.deepEqual(flows[2], {
    protocol: 'udp',
    original: { source: '10.0.1.5', sourcePort: 57261, destination: '10.0.1.3', destinationPort: 53 },
    reply: { source: '10.0.1.3', sourcePort: 53, destination: '10.0.1.5', destinationPort: 57261 },
    state: '',
    expires: 294,
    mark: 0,
    bytes: 30,
    unreplied: true,
  });
});

test('other protocols and families are left out; no counters count nothing', (t) => {
  const icmp = '<flow><meta direction="original"><layer3 protoname="ipv4"><src>1.1.1.1</src></layer3><layer4 protonum="1" protoname="icmp"></layer4></meta></flow>';
  const v6 = '<flow><meta direction="original"><layer3 protoname="ipv6"><src>::1</src></layer3><layer4 protonum="6" protoname="tcp"></layer4></meta></flow>';
  const plain = TRACKED.replace(/<counters>.*?<\/counters>/g, '');
  t.deepEqual(readFlows(`<conntrack>${icmp}${v6}</conntrack>`), []);
  t.deepEqual(readFlows(plain).map(({ bytes }) => bytes), [0, 0, 0, 0, 0, 0]);
});

test('a long list is cut between flows, and nothing is lost', (t) => {
  const one = TRACKED.slice(TRACKED.indexOf('<flow>'), TRACKED.indexOf('</flow>') + 7);
  const pieces = [...piecesOf(`<?xml version="1.0"?>\n<conntrack>\n${`${one}\n`.repeat(1234)}</conntrack>\n`)];
  t.is(pieces.length, 13);
  t.is(pieces.reduce((sum, piece) => sum + readFlows(piece).length, 0), 1234);
  t.deepEqual([...piecesOf('')], []);
  t.deepEqual([...piecesOf('<?xml version="1.0"?>\n<conntrack>\n</conntrack>\n')], []);
});

test('an entry to put in', (t) => {
  const tuple = { source: '10.0.1.250', sourcePort: 4444, destination: '10.0.1.4', destinationPort: 80 };
  t.is(
    entryLine({ ...tuple, protocol: 'tcp', timeout: 7440 }),
    '-A -t 7440 -u SEEN_REPLY,ASSURED -s 10.0.1.250 -d 10.0.1.4 -p tcp --sport 4444 --dport 80 --state ESTABLISHED',
  );
  t.is(entryLine({ ...tuple, protocol: 'udp', timeout: 300 }), '-A -t 300 -u SEEN_REPLY -s 10.0.1.250 -d 10.0.1.4 -p udp --sport 4444 --dport 80');
});

test('connections that are over are left out of the pieces, and in no reading is there anything else', (t) => {
  const over = (state: string): string => TRACKED.slice(TRACKED.indexOf('<flow>'), TRACKED.indexOf('</flow>') + 7).replace('ESTABLISHED', state);
  const states = ['ESTABLISHED', 'TIME_WAIT', 'CLOSE_WAIT', 'CLOSE', 'LAST_ACK', 'SYN_SENT', 'FIN_WAIT'];
  const xml = `<conntrack>\n${states.map(over).join('\n')}</conntrack>\n`;
  const read = (which: 'all' | 'open'): string[] => [...piecesOf(xml, which)].flatMap(readFlows).map(({ state }) => state);
  t.deepEqual(read('all'), states);
  t.deepEqual(read('open'), ['ESTABLISHED', 'CLOSE_WAIT', 'LAST_ACK', 'SYN_SENT', 'FIN_WAIT']);
  t.deepEqual([...piecesOf(over('CLOSE').repeat(20_000), 'open')], ['', '']);
  t.deepEqual(readFlows(''), []);
});
