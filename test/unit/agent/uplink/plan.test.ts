import test from 'ava';
import { agentLines, closedSubnetLines, hasUplink, outboundOf, sandboxLines, taskRouteLines, uplinkName } from '../../../../agent/uplink/plan.js';

const PAIR = { networkId: '0123456789ab', subnet: '10.0.1.0/24', mtu: 1450, pid: 42 };

test('a pair of links between a sandbox and the agent', (t) => {
  t.deepEqual(sandboxLines(PAIR), [
    'link add uplink0 mtu 1450 address 02:42:a9:fe:4e:02 type veth peer name u-0123456789ab mtu 1450 address 02:42:a9:fe:4e:01 netns 42',
    'link set uplink0 up',
    'neigh replace 169.254.78.1 lladdr 02:42:a9:fe:4e:01 dev uplink0 nud permanent',
    'route replace unreachable 10.0.1.0/24',
    'route replace default via 169.254.78.1 dev uplink0 onlink',
  ]);
  t.deepEqual(agentLines(PAIR), [
    'addr add 169.254.78.1/32 dev u-0123456789ab',
    'link set u-0123456789ab up',
    'neigh replace 169.254.78.2 lladdr 02:42:a9:fe:4e:02 dev u-0123456789ab nud permanent',
    'route replace 10.0.1.0/24 via 169.254.78.2 dev u-0123456789ab onlink',
  ]);
  t.true(uplinkName(PAIR.networkId).length <= 15);
  t.deepEqual(closedSubnetLines('10.0.1.0/24'), ['route replace unreachable 10.0.1.0/24 metric 4096']);
  t.deepEqual(taskRouteLines('10.0.1.1', 'eth0'), ['route replace default via 10.0.1.1 dev eth0']);
});

test('the program has set up its link when the default route leads there', (t) => {
  t.true(hasUplink('[{"dst":"default","gateway":"169.254.77.1","dev":"uplink0","flags":[]}]'));
  t.false(hasUplink('[{"dst":"default","gateway":"192.0.2.1","dev":"eth0","flags":[]}]'));
  t.false(hasUplink('[]'));
  t.false(hasUplink(''));
});

test('a task goes out by the first of its networks that is not internal, by ingress when it has no other', (t) => {
  const networks = new Map(
    [
      { id: 'a', ingress: false, internal: false },
      { id: 'b', ingress: false, internal: false },
      { id: 'i', ingress: false, internal: true },
      { id: 'g', ingress: true, internal: false },
    ].map(({ id, ingress, internal }) => [id, { ingress, spec: { internal } }]),
  );
  const by = (...ids: string[]): string | undefined => outboundOf(ids.map((networkId) => ({ networkId })), (id) => networks.get(id))?.networkId;
  t.is(by('a', 'b', 'g'), 'a');
  t.is(by('b', 'a'), 'b');
  t.is(by('i', 'a', 'g'), 'a');
  t.is(by('g', 'a'), 'a');
  t.is(by('g'), 'g');
  t.is(by('i'), undefined);
  t.is(by('i', 'g'), undefined, 'a published port opens no way out of an internal network');
  t.is(by(), undefined);
});
