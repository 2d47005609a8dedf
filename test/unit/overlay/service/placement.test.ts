import test from 'ava';
import fc from 'fast-check';
import type { ServiceObject } from '../../../../overlay/model/object.js';
import type { PlacementNode } from '../../../../overlay/service/placement.js';
import { chooseNode, Occupancy, suits } from '../../../../overlay/service/placement.js';
import { serviceObject } from '../fixtures.js';
import { placementNode } from './small-world.js';

function service(name: string, constraints: string[] = [], preferences: string[] = []): ServiceObject {
  return serviceObject(name, { placement: { constraints, preferences } });
}

/** Host names chosen for `count` tasks, one after the other. */
function placed(of: ServiceObject, nodes: PlacementNode[], count: number, occupancy = new Occupancy([])): string[] {
  return Array.from({ length: count }, () => {
    const choice = chooseNode(of, nodes, occupancy);
    if ('problem' in choice) return choice.problem;
    occupancy.add({ serviceId: of.id, node: choice.node.hostname });
    return choice.node.hostname;
  });
}

const zone = (hostname: string, z: string, rack?: string): PlacementNode => placementNode(hostname, { labels: { zone: z, ...(rack !== undefined && { rack }) } });

test('first by the tasks of the service, then by those of all, then by name', (t) => {
  const nodes = ['c', 'a', 'b'].map((name) => placementNode(name));
  t.deepEqual(placed(service('vote'), nodes, 4), ['a', 'b', 'c', 'a']);
  const occupancy = new Occupancy([]);
  for (let i = 0; i < 3; i++) occupancy.add({ serviceId: 'other', node: 'a' });
  occupancy.add({ serviceId: 'other', node: 'b' });
  t.deepEqual(placed(service('vote'), nodes, 4, occupancy), ['c', 'b', 'a', 'c'], 'a, the fullest, gets one before c gets its second');
});

test('a task counts while it is meant to run, and until it has ended', (t) => {
  const task = { serviceId: 'vote', node: 'a', desired: 'running' as const, status: { state: 'running' as const, since: '', health: 'none' as const } };
  const occupancy = new Occupancy([task, { ...task, desired: 'shutdown' }, { ...task, status: { ...task.status, state: 'failed' } }]);
  t.is(occupancy.on('a'), 1);
  t.is(occupancy.ofService('vote', 'a'), 1);
  t.is(occupancy.ofService('vote', 'b'), 0);
});

test('only nodes that are up, active and fulfil all constraints', (t) => {
  const nodes = [placementNode('a', { up: false }), placementNode('b', { availability: 'drain' }), placementNode('c', { availability: 'pause' }), zone('d', 'x'), zone('e', 'y')];
  t.deepEqual(placed(service('vote', ['node.labels.zone==y']), nodes, 2), ['e', 'e']);
  t.deepEqual(placed(service('vote', ['node.labels.zone!=y']), nodes, 2), ['d', 'd']);
  t.deepEqual(placed(service('vote', ['node.labels.zone!=y', 'node.hostname!=D']), [...nodes, placementNode('f')], 1), ['f'], 'no label is not that label; host names have no case');
  t.deepEqual(placed(service('vote', ['node.id==id-e', 'node.mode==root']), nodes, 1), ['e']);
  t.deepEqual(placed(service('vote', ['node.mode==rootless']), [...nodes, placementNode('g', { mode: 'rootless' })], 1), ['g']);
});

test('a service of an encrypted network goes where that can be encrypted', (t) => {
  const secret = serviceObject('vote', { networks: [{ network: 'secret', aliases: [] }] });
  const nodes = [placementNode('a', { without: ['0123456789ab', 'secret'] }), placementNode('b')];
  t.deepEqual(placed(secret, nodes, 2), ['b', 'b']);
  t.deepEqual(placed(service('vote'), nodes, 2), ['a', 'b'], 'another is not concerned');
  t.deepEqual([suits(secret, nodes[0]!), suits(secret, nodes[1]!)], [false, true]);
  t.deepEqual(placed(secret, nodes.slice(0, 1), 1), ["no suitable node for service 'vote' (1 node has its VXLAN in userspace and cannot encrypt): have a node that is up and active"]);
});

test('why no node will do: the service, and what is in the way of how many', (t) => {
  const nodes = [placementNode('a', { up: false }), placementNode('b', { availability: 'drain' }), placementNode('c', { availability: 'pause' }), zone('d', 'x'), zone('e', 'y')];
  t.deepEqual(chooseNode(service('vote', ['node.labels.zone==z']), nodes, new Occupancy([])), {
    problem:
      "no suitable node for service 'vote' (1 node is down, 1 node is drained, 1 node is paused, 2 nodes do not fulfil node.labels.zone==z): have a node that is up, active and fulfils the constraints, or change these",
  });
  t.deepEqual(chooseNode(service('vote'), [nodes[0], nodes[0]].flatMap((node) => node ?? []), new Occupancy([])), {
    problem: "no suitable node for service 'vote' (2 nodes are down): have a node that is up and active",
  });
  t.deepEqual(chooseNode(service('vote'), [], new Occupancy([])), { problem: "no suitable node for service 'vote' (there are no nodes): have a node that is up and active" });
});

test('a preference is even over the values of a label, though their nodes be few', (t) => {
  const nodes = [zone('a', 'x'), zone('b', 'y'), zone('c', 'y'), zone('d', 'y')];
  t.deepEqual(placed(service('vote', [], ['spread=node.labels.zone']), nodes, 6), ['a', 'b', 'c', 'a', 'd', 'a'], 'of two values with as many, the one with the emptier node');
  t.deepEqual(placed(service('vote'), nodes, 4), ['a', 'b', 'c', 'd']);
});

test('preferences nest: even over racks within each zone; no label is a value too', (t) => {
  const nodes = [zone('a', 'x', '1'), zone('b', 'x', '2'), zone('c', 'x', '2'), zone('d', 'y', '1'), placementNode('e')];
  const chosen = placed(service('vote', [], ['spread=node.labels.zone', 'spread=node.labels.rack']), nodes, 12);
  const count = (...names: string[]): number => chosen.filter((name) => names.includes(name)).length;
  t.deepEqual([count('a', 'b', 'c'), count('d'), count('e')], [4, 4, 4]);
  t.deepEqual([count('a'), count('b'), count('c')], [2, 1, 1]);
});

test('however full the nodes are, the tasks of a service are never more than one apart', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 12 }), fc.nat(60), (loads, count) => {
      const nodes = loads.map((_, i) => placementNode(`n${i}`));
      const occupancy = new Occupancy([]);
      loads.forEach((load, i) => Array.from({ length: load }, () => occupancy.add({ serviceId: 'other', node: `n${i}` })));
      placed(service('vote'), nodes, count, occupancy);
      const counts = nodes.map(({ hostname }) => occupancy.ofService('vote', hostname));
      return Math.max(...counts) - Math.min(...counts) <= 1 && counts.reduce((a, b) => a + b) === count;
    }),
  );
  t.pass();
});
