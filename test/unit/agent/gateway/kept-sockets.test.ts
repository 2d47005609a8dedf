import test from 'ava';
import { KeptSockets, type SocketWish } from '../../../../agent/gateway/kept-sockets.js';

const HTTP: SocketWish = { protocol: 'tcp', address: undefined, port: 80 };
const HTTP_HERE: SocketWish = { ...HTTP, address: '192.0.2.1' };
const DNS: SocketWish = { protocol: 'udp', address: undefined, port: 53 };

function rig(): { kept: KeptSockets; closed: number[] } {
  const closed: number[] = [];
  return { kept: new KeptSockets((fd) => void closed.push(fd)), closed };
}

test('what one had, the next one gets when it asks with the same words, once', (t) => {
  const { kept, closed } = rig();
  for (const [wish, fd] of [[HTTP, 7], [HTTP_HERE, 8], [DNS, 9]] as const) t.true(kept.keep(wish, fd));
  t.is(kept.claim(HTTP), undefined, 'in use');
  kept.orphan();
  t.is(kept.claim({ ...HTTP, port: 81 }), undefined);
  t.deepEqual([HTTP, HTTP_HERE, DNS].map((wish) => kept.claim(wish)), [7, 8, 9]);
  t.is(kept.claim(HTTP), undefined, 'in use again');
  t.deepEqual(closed, []);
});

test('what nobody asks for again is closed, what is in use is not', (t) => {
  const { kept, closed } = rig();
  kept.keep(HTTP, 7);
  kept.keep(DNS, 9);
  kept.orphan();
  kept.claim(DNS);
  t.deepEqual(kept.closeUnclaimed(), ['80/tcp']);
  t.deepEqual(closed, [7]);
  t.deepEqual(kept.closeUnclaimed(), []);
  kept.orphan();
  t.is(kept.claim(HTTP), undefined, 'gone');
  t.is(kept.claim(DNS), 9, 'a second death');
});

test('what is released is closed at once, and forgotten', (t) => {
  const { kept, closed } = rig();
  kept.keep(HTTP_HERE, 8);
  kept.release(HTTP);
  t.deepEqual(closed, [], 'another');
  kept.release(HTTP_HERE);
  kept.release(HTTP_HERE);
  t.deepEqual(closed, [8]);
  kept.orphan();
  t.is(kept.claim(HTTP_HERE), undefined);
});

test('any free port is not kept, nor a second one of the same', (t) => {
  const { kept } = rig();
  t.false(kept.keep({ ...DNS, port: 0 }, 4));
  t.true(kept.keep(DNS, 5));
  t.false(kept.keep(DNS, 6));
  t.is(kept.size, 1);
});

test('at the end all are closed', (t) => {
  const { kept, closed } = rig();
  kept.keep(HTTP, 7);
  kept.keep(DNS, 9);
  kept.orphan();
  kept.claim(DNS);
  kept.closeAll();
  t.deepEqual(closed, [7, 9]);
});
