import test from 'ava';
import { EndpointRows } from '../../../../agent/dataplane/endpoint-rows.js';
import type { Snapshot } from '../../../../proxy/config/snapshot.js';

/** Services by network, each with its endpoints' ids. */
function snapshot(epoch: number, ...networks: string[][][]): Snapshot {
  return {
    epoch,
    networks: networks.map((services, index) => ({
      index,
      id: `n${index}`,
      name: `net${index}`,
      balancer: 1,
      services: services.map((ids, at) => ({
        id: `s${at}`,
        name: `s${at}`,
        vip: at,
        scheduler: 'rr',
        endpoints: ids.map((id, i) => ({ id, address: i, weight: 1 })),
      })),
    })),
  };
}

const rowsOf = (from: Snapshot): (number | undefined)[][] => from.networks.flatMap((network) => network.services.map((service) => service.endpoints.map(({ row }) => row)));

test('an endpoint has one row for all services of its network, and keeps it', (t) => {
  const cleared: number[] = [];
  const rows = new EndpointRows(10, (row) => cleared.push(row));
  const first = snapshot(1, [['a', 'b'], ['b', 'c']], [['a']]);
  t.deepEqual(rowsOf(rows.assign(first)), [[0, 1], [1, 2], [3]]);
  t.deepEqual(rowsOf(first), [[undefined, undefined], [undefined, undefined], [undefined]], 'the snapshot that came is not changed');
  t.deepEqual(rowsOf(rows.assign(snapshot(2, [['b'], ['c', 'd']], [['a']]))), [[1], [2, 4], [3]]);
  t.deepEqual(cleared, [0, 1, 2, 3, 4]);
});

test('a row is given again only after a snapshot without its endpoint was applied everywhere, and is cleared then', (t) => {
  const cleared: number[] = [];
  const rows = new EndpointRows(2, (row) => cleared.push(row));
  rows.assign(snapshot(1, [['a', 'b']]));
  rows.applied(1);
  t.deepEqual(rowsOf(rows.assign(snapshot(2, [['b', 'c']]))), [[1, undefined]], 'somebody may still count for a');
  rows.applied(1);
  t.deepEqual(rowsOf(rows.assign(snapshot(3, [['b', 'c']]))), [[1, undefined]]);
  rows.applied(2);
  t.deepEqual(cleared, [0, 1]);
  t.deepEqual(rowsOf(rows.assign(snapshot(4, [['b', 'c']]))), [[1, 0]]);
  t.deepEqual(cleared, [0, 1, 0]);
});

test('an endpoint that comes back before its row is free gets another; the one unused for longest is given first', (t) => {
  const rows = new EndpointRows(3, () => undefined);
  rows.assign(snapshot(1, [['a', 'b']]));
  rows.assign(snapshot(2, [['b']]));
  t.deepEqual(rowsOf(rows.assign(snapshot(3, [['a', 'b']]))), [[2, 1]]);
  rows.assign(snapshot(4, [[]]));
  rows.applied(4);
  t.deepEqual(rowsOf(rows.assign(snapshot(5, [['c', 'd', 'e', 'f']]))), [[0, 1, 2, undefined]]);
});
