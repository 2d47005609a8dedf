/** Who counts as up: what was seen to go is down at once, what went unseen is waited for, and nobody goes because we see nothing. */
import test from 'ava';
import { Membership, type Observation } from '../../../../overlay/peer/membership.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const EPOCH = Date.parse('2024-01-01T00:00:00Z');
const LEASE = 5000;

interface Look extends Partial<Observation> {
  readonly up: readonly string[];
}

function start(nodes = ['a', 'b', 'c']): { clock: FakeClock; members: Membership; look: (look: Look) => string } {
  const clock = new FakeClock(EPOCH);
  const members = new Membership('a', clock, LEASE);
  const all = new Map(nodes.map((id) => [id, {}]));
  return {
    clock,
    members,
    look: ({ up, ...more }) => {
      members.observe({ nodes: all, alive: new Map(up.map((id) => [id, {}])), listings: 1, inReachFor: Infinity, ...more });
      return nodes.filter((id) => members.isUp(id)).join('');
    },
  };
}

test('a node is down as soon as its key is seen to go, and up as soon as it is back', (t) => {
  const { clock, members, look } = start();
  t.is(look({ up: ['a', 'b', 'c'] }), 'abc');
  clock.advance(1000);
  t.is(look({ up: ['a', 'c'] }), 'ac');
  clock.advance(1000);
  t.is(look({ up: ['a', 'c'] }), 'ac');
  t.is(members.downSince('b'), EPOCH + 1000);
  t.is(members.downSince('c'), undefined);
  t.is(members.nextChange(), undefined);
  t.is(look({ up: ['a', 'b', 'c'] }), 'abc');
  t.is(members.downSince('b'), undefined);
});

test('a node that was never up is down from when it was first heard of; this node is always up', (t) => {
  const { members, look } = start();
  t.is(look({ up: ['b'] }), 'ab');
  t.is(members.downSince('c'), EPOCH);
  t.is(members.downSince('a'), undefined);
  t.false(members.isUp('unknown'));
});

test('a node that is missing when everything is listed anew is waited for during a lease', (t) => {
  const { clock, members, look } = start();
  look({ up: ['a', 'b', 'c'] });
  clock.advance(1000);
  t.is(look({ up: ['a'], listings: 2 }), 'abc');
  t.is(members.nextChange(), 1000 + LEASE);
  clock.advance(LEASE - 1);
  t.is(look({ up: ['a', 'c'], listings: 2 }), 'abc');
  clock.advance(1);
  t.is(look({ up: ['a', 'c'], listings: 2 }), 'ac');
  t.is(members.downSince('b'), EPOCH + 1000 + LEASE);
  t.is(members.nextChange(), undefined);
});

test('a key that goes shortly after the store is back in reach is waited for; later than a lease it is not', (t) => {
  const { clock, look } = start();
  look({ up: ['a', 'b', 'c'] });
  t.is(look({ up: ['a', 'c'], inReachFor: LEASE - 1 }), 'abc');
  t.is(look({ up: ['a'], inReachFor: LEASE }), 'ab');
  clock.advance(LEASE);
  t.is(look({ up: ['a'], inReachFor: 2 * LEASE }), 'a');
});

test('as long as the store is out of reach nobody goes, and then each has a whole lease to come back', (t) => {
  const { clock, members, look } = start();
  look({ up: ['a', 'b', 'c'] });
  t.is(look({ up: ['a', 'c'], listings: 2, inReachFor: undefined }), 'abc');
  t.is(members.nextChange(), undefined);
  clock.advance(100 * LEASE);
  t.is(look({ up: ['a', 'c'], listings: 2, inReachFor: undefined }), 'abc');
  t.is(look({ up: ['a', 'c'], listings: 3, inReachFor: 0 }), 'abc');
  t.is(members.nextChange(), 101 * LEASE);
  clock.advance(LEASE);
  t.is(look({ up: ['a', 'c'], listings: 3, inReachFor: LEASE }), 'ac');
});

test('who is down stays down through an outage, and a node that was removed is forgotten', (t) => {
  const { clock, members, look } = start();
  look({ up: ['a', 'b', 'c'] });
  look({ up: ['a', 'c'] });
  clock.advance(1000);
  t.is(look({ up: ['a', 'c'], listings: 2, inReachFor: undefined }), 'ac');
  t.is(members.downSince('b'), EPOCH);
  t.is(look({ up: ['a', 'c'], nodes: new Map([['a', {}], ['c', {}]]) }), 'ac');
  t.is(members.downSince('b'), undefined);
});
