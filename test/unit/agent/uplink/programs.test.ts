import test from 'ava';
import { chooseProgram, programArguments, type UplinkChoice, type UplinkProgram } from '../../../../agent/uplink/programs.js';

const choose = (choice: UplinkChoice, ...installed: UplinkProgram[]): unknown => chooseProgram(choice, (name) => (installed.includes(name) ? `/usr/bin/${name}` : undefined));

test('auto takes pasta, else slirp4netns; what was asked for is that or nothing', (t) => {
  t.deepEqual(choose('auto', 'slirp4netns', 'pasta'), { program: 'pasta' });
  t.deepEqual(choose('auto', 'slirp4netns'), { program: 'slirp4netns' });
  t.deepEqual(choose('slirp4netns', 'slirp4netns', 'pasta'), { program: 'slirp4netns' });
  t.deepEqual(choose('auto'), { problem: 'neither pasta nor slirp4netns is installed: install the package passt (apt-get install passt), then start the agent again' });
  t.deepEqual(choose('pasta', 'slirp4netns'), { problem: 'pasta is not installed: install the package passt (apt-get install passt), then start the agent again' });
  t.deepEqual(choose('slirp4netns', 'pasta'), { problem: 'slirp4netns is not installed: install the package slirp4netns (apt-get install slirp4netns), then start the agent again' });
  t.deepEqual(choose('none', 'pasta'), { problem: 'up --uplink none' });
});

test('how they are called: outward only, and with no way to the host’s loopback', (t) => {
  t.is(
    programArguments('pasta', 42, 1000).join(' '),
    '--foreground --quiet --config-net -4 -a 169.254.77.2 -n 24 -g 169.254.77.1 --ns-ifname uplink0 -t none -u none -T none -U none --no-map-gw --userns /proc/42/ns/user --netns /proc/42/ns/net',
  );
  t.true(programArguments('pasta', 42, 0).join(' ').startsWith('--foreground --quiet --runas 0:0 --config-net'));
  t.is(
    programArguments('slirp4netns', 42, 0).join(' '),
    '--configure --mtu=65520 --cidr=169.254.77.0/24 --disable-host-loopback --disable-dns --userns-path=/proc/42/ns/user --netns-type=path /proc/42/ns/net uplink0',
  );
});
