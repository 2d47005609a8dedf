/** The nodes of a mirror as tasks are placed on them, and who is told when one counts as down though nothing has changed. */
import test from 'ava';
import { Members } from '../../../../agent/cluster/members.js';
import type { NetworkObject, NodeRecord } from '../../../../overlay/model/object.js';
import type { Alive } from '../../../../overlay/store/keys.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const EPOCH = Date.parse('2024-01-01T00:00:00Z');

function start(ids: readonly string[]): { clock: FakeClock; members: Members; mirror: { nodes: Map<string, NodeRecord>; networks: Map<string, NetworkObject>; alive: Map<string, Alive>; listings: number }; contact: { reachable: boolean; since: number }; changes: () => number } {
  const clock = new FakeClock(EPOCH);
  const record = (id: string): NodeRecord => ({ id, hostname: `host-${id}`, availability: 'active', labels: {}, mode: 'root', address: '10.0.0.1', mtu: 1450, version: '1', createdAt: '' });
  const mirror = { nodes: new Map(ids.map((id) => [id, record(id)])), networks: new Map<string, NetworkObject>(), alive: new Map(ids.map((id) => [id, { since: '' }])), listings: 1 };
  const contact = { reachable: true, since: 0 };
  let changes = 0;
  const members = new Members({ own: 'a', mirror, store: { contact }, clock, onChange: () => changes++ });
  members.observe();
  return { clock, members, mirror, contact, changes: () => changes };
}

test('a node that goes is down for placement since then, and its name is not among those that are up', (t) => {
  const { clock, members, mirror, changes } = start(['a', 'b']);
  t.deepEqual([...members.upNames()], ['host-a', 'host-b']);
  clock.advance(1000);
  mirror.alive.delete('b');
  members.observe();
  t.is(changes(), 2);
  t.deepEqual([...members.upNames()], ['host-a']);
  t.deepEqual(members.placementNodes().map(({ hostname, up, downSince }) => [hostname, up, downSince]), [['host-a', true, undefined], ['host-b', false, EPOCH + 1000]]);
  members.observe();
  t.is(changes(), 2);
});

test('a node that is missing from a new listing is looked at again by itself when its time is over', (t) => {
  const { clock, members, mirror, changes } = start(['a', 'b']);
  mirror.alive.delete('b');
  mirror.listings = 2;
  members.observe();
  t.true(members.isUp('b'));
  clock.advance(4999);
  t.is(changes(), 1);
  clock.advance(1);
  t.is(changes(), 2);
  t.false(members.isUp('b'));
});

test('while the store is out of reach nobody goes, and who is missing has its time from when it is back', (t) => {
  const { clock, members, mirror, contact } = start(['a', 'b']);
  contact.reachable = false;
  mirror.alive.delete('b');
  members.observe();
  clock.advance(60_000);
  t.true(members.isUp('b'));
  Object.assign(contact, { reachable: true, since: performance.now() });
  clock.advance(1000);
  t.true(members.isUp('b'));
  clock.advance(4999);
  t.true(members.isUp('b'));
  clock.advance(1);
  t.false(members.isUp('b'));
  members.close();
});
