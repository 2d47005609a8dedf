import test from 'ava';
import { departedVips, type DepartedVip, FAREWELL_MS, type Present, type Vip, vipsOf, withDeparted } from '../../../../agent/reconcile/departed.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';
import { parseIpv6 } from '../../../../proxy/net/addr6.js';

const VOTE: Vip = { networkId: 'n1', address: '10.0.1.2', address6: 'fd00::2' };
const RESULT: Vip = { networkId: 'n1', address: '10.0.1.3' };
const WEB: Vip = { networkId: 'n2', address: '10.0.1.2' };

function present(vips: readonly Vip[], tasks: readonly Vip[] = [], networks: readonly string[] = ['n1', 'n2']): Present {
  return {
    networks: networks.map((id) => ({ id })),
    services: [{ vips }],
    tasks: [{ addresses: tasks.map((address) => ({ ...address, interface: 'eth0' })) }],
  };
}

const until = (time: number, ...vips: readonly Vip[]): DepartedVip[] => vips.map((vip) => ({ ...vip, until: time }));

test('a VIP that is gone is seen off for a while, and then is no more', (t) => {
  t.deepEqual(vipsOf(present([VOTE, RESULT])), [VOTE, RESULT]);
  t.deepEqual(departedVips([VOTE, RESULT], [], present([VOTE, RESULT]), 1000), []);
  const departed = departedVips([VOTE, RESULT, WEB], [], present([RESULT]), 1000);
  t.deepEqual(departed, until(1000 + FAREWELL_MS, VOTE, WEB));
  t.deepEqual(departedVips([RESULT], departed, present([RESULT]), 999 + FAREWELL_MS), departed);
  t.deepEqual(departedVips([RESULT], departed, present([RESULT]), 1000 + FAREWELL_MS), []);
});

test('whoever has its address by now is not disturbed, nor a network that is gone', (t) => {
  const departed = until(5000, VOTE, RESULT);
  t.deepEqual(departedVips([], departed, present([{ networkId: 'n1', address: '10.0.1.3' }]), 0), until(5000, VOTE));
  t.deepEqual(departedVips([], departed, present([], [{ networkId: 'n1', address: '10.0.1.2' }]), 0), until(5000, RESULT));
  t.deepEqual(departedVips([], departed, present([], [{ networkId: 'n1', address: '10.0.1.9', address6: 'fd00::2' }]), 0), until(5000, RESULT));
  t.deepEqual(departedVips([], departed, present([WEB], [{ networkId: 'n2', address: '10.0.1.3' }]), 0), departed, 'the same address on another network');
  t.deepEqual(departedVips([VOTE], departed, present([], [], ['n2']), 0), []);
});

test('in the snapshot it is a service that nobody is behind, and that gives way to one of the same address', (t) => {
  const network = { index: 0, id: 'n1', name: 'overlay1', balancer: 1, services: [{ id: 's1', name: 'other', vip: 7, scheduler: 'rr', endpoints: [] }] } as const;
  t.is(withDeparted(network, until(1, WEB)), network);
  const { services } = withDeparted(network, until(1, VOTE, WEB));
  t.deepEqual(services.map(({ id, vip, endpoints }) => [id, vip, endpoints]), [['departed 10.0.1.2', parseIpv4('10.0.1.2'), []], ['s1', 7, []]]);
  t.deepEqual(services[0]?.vip6, parseIpv6('fd00::2'));
});
