import test from 'ava';
import { HELP, parseCommand } from '../../../perf/rootless/options.js';
import { UsageError } from '../../../perf/usage.js';

test('what is asked for: peers of a published port, vxlan, or all of it', (t) => {
  t.deepEqual(parseCommand(['--help']), { kind: 'help' });
  t.like(parseCommand([]), { options: { peers: ['vipmesh', 'pasta', 'slirp4netns', 'rootlesskit'], vxlan: true, rounds: 5, seconds: 2 } });
  t.like(parseCommand(['pasta', '--quick']), { options: { peers: ['vipmesh', 'pasta'], vxlan: false, rounds: 1, seconds: 1 } });
  t.like(parseCommand(['vxlan', '--rounds', '9', '--json', 'x']), { options: { peers: [], vxlan: true, rounds: 9 }, json: 'x' });
  t.like(parseCommand(['vxlan', 'slirp4netns']), { options: { peers: ['vipmesh', 'slirp4netns'], vxlan: true } });
});

test('what cannot be meant is a complaint', (t) => {
  for (const [args, message] of [[['docker'], /no topic docker: there are vipmesh, pasta, slirp4netns, rootlesskit, vxlan/], [['--rounds', '0'], /--rounds 0: a whole number from 1 to 99/]] as const) {
    t.throws(() => parseCommand(args), { instanceOf: UsageError, message });
  }
  for (const line of HELP.split('\n')) t.true(line.length <= 160, line);
});
