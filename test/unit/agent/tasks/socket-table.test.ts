import test from 'ava';
import { takesTraffic } from '../../../../agent/tasks/readiness.js';
import { countSockets, parseSocketTable } from '../../../../agent/tasks/socket-table.js';

const HEADING = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const REST = '00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0\n';
const line = (local: string, state: string, remote = '00000000:0000'): string => `   0: ${local} ${remote} ${state} ${REST}`;
const SIX = (word: string): string => `000000000000000000000000${word}`;

test('addresses come out in network order, whatever the order of the kernel', (t) => {
  const [entry] = parseSocketTable(HEADING + line('0B00007F:0035', '0A'), 'LE');
  t.deepEqual(entry, { address: '7f00000b', port: 53, peer: '00000000', connected: false, listening: true });
  t.deepEqual(parseSocketTable(HEADING + line('7F00000B:0035', '0A'), 'BE'), [entry!]);
  const [six] = parseSocketTable(line('B80D0120000000000000000001000000:1F90', '01', 'B80D0120000000000000000002000000:9C40'), 'LE');
  t.deepEqual(six, { address: '20010db8000000000000000000000001', port: 8080, peer: '20010db8000000000000000000000002', connected: true, listening: false });
});

test('what is no socket is left out', (t) => {
  t.deepEqual(parseSocketTable(''), []);
  t.deepEqual(parseSocketTable(`${HEADING}\n  12: garbage\n   1: 0100007F:00 00000000:0000 0A ${REST}`), []);
});

test('a task takes traffic when TCP listens or UDP is bound, the name server of the agent apart', (t) => {
  const cases: [string, string, string, boolean][] = [
    ['nothing', '', '', false],
    ['the name server alone', line('0B00007F:0035', '0A'), line('0B00007F:0035', '07'), false],
    ['TCP that listens', line('00000000:0050', '0A'), '', true],
    ['TCP that listens on loopback', line('0100007F:0050', '0A'), '', true],
    ['TCP that is connected', line('0501000A:9C40', '01', '0201000A:0050'), '', false],
    ['TCP that is connecting', line('0501000A:9C40', '02', '0201000A:0050'), '', false],
    ['TCP on port 53 of another address', line('0501000A:0035', '0A'), '', true],
    ['TCP over IPv6', line(`${SIX('00000000')}:0050`, '0A', `${SIX('00000000')}:0000`), '', true],
    ['TCP on one IPv6 address', line(`${SIX('05000000')}:0050`, '0A', `${SIX('00000000')}:0000`), '', true],
    ['UDP over IPv6', '', line(`${SIX('00000000')}:1388`, '07', `${SIX('00000000')}:0000`), true],
    ['UDP that is bound', '', line('00000000:1388', '07'), true],
    ['UDP that is connected, as a resolver has it', '', line('0B00007F:9C40', '01', '0B00007F:0035'), false],
    ['UDP on another port of that address', '', line('0B00007F:0036', '07'), true],
  ];
  for (const [what, tcp, udp, expected] of cases) {
    t.is(takesTraffic(parseSocketTable(HEADING + tcp, 'LE'), parseSocketTable(HEADING + udp, 'LE')), expected, what);
  }
});

test('sockets are counted', (t) => {
  const four = 'sockets: used 12\nTCP: inuse 3 orphan 5 tw 7 alloc 14 mem 0\nUDP: inuse 2 mem 76\nUDPLITE: inuse 40\nRAW: inuse 50\nFRAG: inuse 60 memory 0\n';
  t.is(countSockets(four), 5);
  t.is(countSockets('TCP6: inuse 1\nUDP6: inuse 10\nUDPLITE6: inuse 40\n'), 11);
  t.is(countSockets(''), 0);
});
