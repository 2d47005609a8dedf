import test from 'ava';
import { ipv6Problem } from '../../../../agent/sandbox/ipv6.js';

test('a host with IPv6 has no problem', (t) => {
  const asked: string[] = [];
  t.is(ipv6Problem(1280, (path) => (asked.push(path), '0\n')), undefined);
  t.deepEqual(asked, ['/proc/sys/net/ipv6/conf/all/disable_ipv6']);
});

for (const [what, setting, mtu, message, remedy] of [
  ['a kernel without IPv6', undefined, 1450, /runs without IPv6/, /leave --ipv6 out/],
  ['IPv6 turned off', '1\n', 1450, /disable_ipv6 is 1/, /^sysctl -w net\.ipv6\.conf\.all\.disable_ipv6=0/],
  ['an MTU that is too small', '0\n', 1230, /MTU of 1230 .* 1280/, /by 50/],
] as const) {
  test(`${what} is a problem with a remedy`, (t) => {
    const problem = ipv6Problem(mtu, () => setting);
    t.regex(problem?.message ?? '', message);
    t.regex(problem?.remedy ?? '', remedy);
  });
}
