import test from 'ava';
import fc from 'fast-check';
import { AddressPoolError } from '../../../../overlay/model/errors.js';
import { addressOrder, chooseSubnet, poolSize } from '../../../../overlay/network/ipam.js';
import { LOOPBACK_POOL } from '../../../../overlay/model/subnets.js';
import { cidrContains, cidrOf, cidrSize, formatCidr, formatIpv4, parseCidr, parseIpv4 } from '../../../../proxy/net/addr.js';

function order(subnet: string, gateway: string, last?: string): string[] {
  return [...addressOrder(parseCidr(subnet), parseIpv4(gateway), last === undefined ? undefined : parseIpv4(last))].map(formatIpv4);
}

test('addresses come in order, without network, broadcast and gateway', (t) => {
  t.deepEqual(order('10.0.1.0/29', '10.0.1.1'), ['10.0.1.2', '10.0.1.3', '10.0.1.4', '10.0.1.5', '10.0.1.6']);
  t.deepEqual(order('10.0.1.8/29', '10.0.1.12'), ['10.0.1.9', '10.0.1.10', '10.0.1.11', '10.0.1.13', '10.0.1.14']);
});

test('the next address is the one after the last, and it goes round', (t) => {
  t.deepEqual(order('10.0.1.0/29', '10.0.1.1', '10.0.1.3'), ['10.0.1.4', '10.0.1.5', '10.0.1.6', '10.0.1.2', '10.0.1.3']);
  t.deepEqual(order('10.0.1.0/29', '10.0.1.1', '10.0.1.6')[0], '10.0.1.2');
});

test('subnets above 128.0.0.0, whose numbers are negative', (t) => {
  t.deepEqual(order('203.0.113.248/29', '203.0.113.254', '203.0.113.253'), ['203.0.113.249', '203.0.113.250', '203.0.113.251', '203.0.113.252', '203.0.113.253']);
});

test('every host address but the gateway comes exactly once, beginning after the last', (t) => {
  const cases = fc.record({ base: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), length: fc.integer({ min: 20, max: 29 }), gateway: fc.nat(), last: fc.option(fc.nat(), { nil: undefined }) });
  fc.assert(
    fc.property(cases, ({ base, length, gateway, last }) => {
      const subnet = cidrOf(base, length);
      const host = (n: number): number => (subnet.base + 1 + (n % (cidrSize(subnet) - 2))) | 0;
      const taken = [...addressOrder(subnet, host(gateway), last === undefined ? undefined : host(last))];
      t.is(taken.length, poolSize(subnet));
      t.is(new Set(taken).size, taken.length);
      for (const address of taken) {
        if (!cidrContains(subnet, address) || address === subnet.base || address === ((subnet.base + cidrSize(subnet) - 1) | 0) || address === host(gateway)) t.fail(formatIpv4(address));
      }
      if (last !== undefined && host(last) !== host(gateway)) t.is(taken.at(-1), host(last), 'the last one comes last');
    }),
    { numRuns: 50 },
  );
});

const subnetAfter = (taken: string[], routes: string[] = [], ingress = false): string => formatCidr(chooseSubnet(taken.map(parseCidr), routes.map(parseCidr), ingress));

test('ingress gets 10.0.0.0/24, others begin at 10.0.1.0/24', (t) => {
  t.is(subnetAfter([], [], true), '10.0.0.0/24');
  t.is(subnetAfter([]), '10.0.1.0/24');
  t.is(subnetAfter(['10.0.0.0/24', '10.0.1.0/24', '10.0.3.0/24']), '10.0.2.0/24');
});

test('networks of other sizes and the routes of the host are kept clear of', (t) => {
  t.is(subnetAfter(['10.0.0.0/22']), '10.0.4.0/24');
  t.is(subnetAfter(['10.0.1.128/25']), '10.0.2.0/24');
  t.is(subnetAfter([], ['10.0.0.0/16', '10.1.0.5/32', '192.168.0.0/16']), '10.1.1.0/24');
  t.is(subnetAfter([], ['10.0.0.0/9']), '10.128.0.0/24');
});

test('a route that covers the whole pool is no obstacle, as nothing could avoid it', (t) => {
  t.is(subnetAfter([], ['0.0.0.0/0', '10.0.0.0/8']), '10.0.1.0/24');
  t.is(subnetAfter([], ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/20']), '10.0.16.0/24');
});

test('from another pool', (t) => {
  const subnetOf = (taken: string[], ingress: boolean): string => formatCidr(chooseSubnet(taken.map(parseCidr), [], ingress, LOOPBACK_POOL));
  t.is(subnetOf([], true), '127.64.0.0/24');
  t.is(subnetOf(['127.64.0.0/24', '127.64.1.0/24'], false), '127.64.2.0/24');
  t.throws(() => subnetOf(['127.64.0.0/10'], false), { instanceOf: AddressPoolError, message: /pool 127\.64\.0\.0\/10 \(16384 subnets\)/ });
});

test('a pool that is used up says which', (t) => {
  const error = t.throws(() => subnetAfter(['10.0.0.0/9', '10.128.0.0/9']), { instanceOf: AddressPoolError });
  t.regex(error?.message ?? '', /pool 10\.0\.0\.0\/8 \(65536 subnets\): 2 networks .*--subnet/);
});
