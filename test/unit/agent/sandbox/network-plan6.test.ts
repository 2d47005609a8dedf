import test from 'ava';
import { attachLines6, balancerLines6, checkAddresses6, detachLines6, sandboxLines6, taskLines6, taskSysctls6 } from '../../../../agent/sandbox/network-plan6.js';
import { vethName } from '../../../../agent/sandbox/network-plan.js';
import { AddressError } from '../../../../proxy/net/addr.js';

const link = { id: '1f0c9a3b7e21', interface: 'eth0', address: '10.0.1.5', address6: 'fd3a:9c01:77e2:1::5', subnet6: 'fd3a:9c01:77e2:1::/64' };

test('the IPv6 side of a sandbox and of a task’s link, as ip -6 is told', (t) => {
  t.is(
    [
      '# sandbox',
      ...sandboxLines6({ subnet: link.subnet6, gateway: 'fd3a:9c01:77e2:1::1', balancer: 'fd3a:9c01:77e2:1::2' }),
      ...attachLines6(link),
      '# task',
      ...taskSysctls6('eth0').map(({ key, value }) => `# ${key} = ${value}`),
      ...taskLines6(link),
      '# vip0 is made anew',
      ...balancerLines6('fd3a:9c01:77e2:1::2'),
      '# the task goes',
      ...detachLines6(vethName(link.id)),
    ].join('\n'),
    `# sandbox
addr add fd3a:9c01:77e2:1::1/128 dev lo
route add fd3a:9c01:77e2:1::2/128 dev vip0
rule add pref 2000 iif vip0 lookup main
rule add pref 2000 iif lo lookup main
rule add pref 3000 blackhole
addr add fe80::1/64 dev v-1f0c9a3b7e21 nodad
route add fd3a:9c01:77e2:1::5/128 dev v-1f0c9a3b7e21
neigh replace fd3a:9c01:77e2:1::5 lladdr 02:42:0a:00:01:05 dev v-1f0c9a3b7e21 nud permanent
rule add pref 1000 from fd3a:9c01:77e2:1::5 iif v-1f0c9a3b7e21 lookup main
# task
# net/ipv6/conf/eth0/disable_ipv6 = 0
# net/ipv6/conf/eth0/accept_dad = 0
# net/ipv6/conf/eth0/accept_ra = 0
# net/ipv6/conf/eth0/router_solicitations = 0
addr add fd3a:9c01:77e2:1::5/64 dev eth0 nodad noprefixroute
route add fd3a:9c01:77e2:1::/64 via fe80::1 dev eth0
# vip0 is made anew
route add fd3a:9c01:77e2:1::2/128 dev vip0
# the task goes
rule del pref 1000 iif v-1f0c9a3b7e21`,
  );
});

test('an address of the wrong family is found before anything is made', (t) => {
  t.notThrows(() => checkAddresses6('fd00:1::/64', 'fd00:1::1'));
  t.throws(() => checkAddresses6('10.0.1.0/24'), { instanceOf: AddressError });
  t.throws(() => checkAddresses6('fd00:1::/64', '10.0.1.1'), { instanceOf: AddressError });
});
