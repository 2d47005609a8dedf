import test from 'ava';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { UdpSession } from '../../../../proxy/relay/udp-session.js';
import { UdpTable } from '../../../../proxy/relay/udp-table.js';

function rig(maxSessions: number, timeout: number) {
  const clock = new FakeClock();
  const table = new UdpTable(clock, maxSessions);
  const ended: string[] = [];
  const add = (name: string, ownTimeout = (): number => timeout): UdpSession => {
    // The table never looks into a session's context.
    const session = new UdpSession(name, 1, undefined as never, clock.now());
    table.add(session, ownTimeout, (cause) => ended.push(`${name} ${cause} at ${clock.now()}`));
    return session;
  };
  return { clock, table, ended, add };
}

test('a session ends when it was idle for the time-out, to the millisecond', (t) => {
  const { clock, table, ended, add } = rig(10, 300);
  const a = add('a');
  clock.advance(100);
  add('b');
  clock.advance(150);
  table.touch(a);
  clock.advance(149);
  t.deepEqual(ended, []);
  clock.advance(1);
  t.deepEqual(ended, ['b expired at 400']);
  clock.advance(150);
  t.deepEqual(ended, ['b expired at 400', 'a expired at 550']);
  t.is(table.size, 0);
  add('c');
  clock.advance(300);
  t.is(ended.length, 3);
});

test('each session ends by its own time-out, which may change meanwhile', (t) => {
  const { clock, table, ended, add } = rig(10, 300);
  add('long');
  let short = 200;
  const changing = add('changing', () => short);
  add('short', () => 50);
  clock.advance(50);
  t.deepEqual(ended, ['short expired at 50']);
  short = 60;
  table.timeoutChanged(changing);
  clock.advance(10);
  t.deepEqual(ended.slice(1), ['changing expired at 60']);
  table.timeoutChanged(changing);
  clock.advance(240);
  t.deepEqual(ended.slice(2), ['long expired at 300']);
});

test('a full table gives up the session that was idle for longest', (t) => {
  const { clock, table, ended, add } = rig(2, 1000);
  const a = add('a');
  clock.advance(1);
  add('b');
  clock.advance(1);
  table.touch(a);
  add('c');
  t.deepEqual(ended, ['b evicted at 2']);
  t.is(table.size, 2);
});

test('what was removed is not ended again', (t) => {
  const { clock, table, ended, add } = rig(2, 1000);
  const a = add('a');
  table.remove(a);
  table.touch(a);
  t.is(table.size, 0);
  clock.advance(5000);
  t.deepEqual(ended, []);
});

test('a closed table has no timer left', (t) => {
  const { clock, table, ended, add } = rig(2, 1000);
  add('a');
  table.close();
  clock.advance(5000);
  t.deepEqual(ended, []);
});
