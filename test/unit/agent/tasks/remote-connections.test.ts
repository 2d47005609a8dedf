/** Which of a task's sockets are connections from given addresses. */
import test from 'ava';
import { connectionsFrom, countFrom, networkOrder } from '../../../../agent/tasks/remote-connections.js';
import { parseSocketTable } from '../../../../agent/tasks/socket-table.js';

const REST = '00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0';

test('established connections whose other end is one of the addresses, IPv4 also in an IPv6 socket', (t) => {
  const four = [
    `   0: 0501000A:0050 0301000A:9C40 01 ${REST}`, // 10.0.1.5:80 from 10.0.1.3
    `   1: 0501000A:0050 0401000A:9C40 01 ${REST}`, // from 10.0.1.4
    `   2: 0501000A:0050 0301000A:9C41 06 ${REST}`, // from 10.0.1.3, in TIME_WAIT
    `   3: 00000000:0050 00000000:0000 0A ${REST}`,
  ].join('\n');
  const six = `   0: 0000000000000000FFFF00000501000A:0050 0000000000000000FFFF00000301000A:9C42 01 ${REST}\n   1: 000000FD000000000000000005000000:0050 000000FD000000000000000003000000:9C42 01 ${REST}`;
  const sockets = [...parseSocketTable(four, 'LE'), ...parseSocketTable(six, 'LE')];
  t.is(countFrom(new Set([networkOrder('10.0.1.3')]), sockets), 2);
  t.is(countFrom(new Set(['10.0.1.3', '10.0.1.4'].map(networkOrder)), sockets), 3);
  t.is(countFrom(new Set([networkOrder('fd00::3')]), sockets), 1);
  t.is(countFrom(new Set([networkOrder('10.0.1.9')]), sockets), 0);
});

test('addresses as the kernel has them, in hexadecimal', (t) => {
  t.is(networkOrder('10.0.1.3'), '0a000103');
  t.is(networkOrder('fd00::3'), 'fd000000000000000000000000000003');
  t.is(connectionsFrom([], process.pid), 0);
  t.is(connectionsFrom(['192.0.2.1'], process.pid), 0);
  t.is(connectionsFrom(['192.0.2.1'], 2 ** 30), 0, 'there is no such process');
});
