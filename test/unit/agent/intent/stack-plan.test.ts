import test from 'ava';
import { ControlError } from '../../../../agent/control.js';
import { planStack } from '../../../../agent/intent/stack-plan.js';
import type { NetworkObject } from '../../../../overlay/model/object.js';
import type { NetworkSpec } from '../../../../overlay/model/spec.js';

const wanted = (more: Partial<NetworkSpec>): NetworkSpec => ({ name: 'shop_n', driver: 'overlay', ipv6: false, internal: false, labels: {}, ...more });

function there(more: Partial<NetworkObject> = {}): NetworkObject {
  const spec = wanted({ labels: { 'vipmesh.stack': 'shop' } });
  return { id: 'a00000000001', spec, ingress: false, subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.2', vni: 4097, createdAt: '', ...more };
}

const six = there({ subnet6: 'fd00:1::/64', gateway6: 'fd00:1::1', balancer6: 'fd00:1::2' });
const plan = (spec: Partial<NetworkSpec>, network: NetworkObject): unknown => planStack('shop', { networks: [wanted(spec)], services: [] }, { networks: [network], services: [] });

test('a network that is there as the file wants it is unchanged', (t) => {
  const unchanged = [{ kind: 'unchanged', what: 'network shop_n' }];
  t.deepEqual(plan({}, there()), unchanged);
  t.deepEqual(plan({ subnet: '10.0.1.0/24' }, there()), unchanged);
  t.deepEqual(plan({ ipv6: true }, six), unchanged);
  t.deepEqual(plan({ ipv6: true, subnet6: 'FD00:1:0::/64' }, six), unchanged, 'however it is written');
});

for (const [what, spec, network, message, remedy] of [
  ['IPv6 is wanted of a network without', { ipv6: true }, there(), /exists without IPv6/, /leave enable_ipv6 out/],
  ['a network with IPv6 is wanted without', {}, six, /exists with IPv6/, /enable_ipv6: true/],
  ['another subnet', { subnet: '10.0.2.0/24' }, there(), /exists with subnet 10\.0\.1\.0\/24/, /10\.0\.1\.0\/24/],
  ['another IPv6 subnet', { ipv6: true, subnet6: 'fd00:2::/64' }, six, /exists with subnet fd00:1::\/64/, /fd00:1::\/64/],
] as const) {
  test(`${what}: a conflict, as a network does not change`, (t) => {
    const error = t.throws(() => plan(spec, network), { instanceOf: ControlError });
    t.is(error?.code, 'conflict');
    t.regex(error?.message ?? '', message);
    t.regex(error?.remedy ?? '', remedy);
  });
}
