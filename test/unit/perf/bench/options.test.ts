import test from 'ava';
import { HELP, parseCommand, type Options } from '../../../../perf/bench/options.js';
import { UsageError } from '../../../../perf/usage.js';
import { PEERS } from '../../../../perf/bench/peers/peers.js';
import { WORKS } from '../../../../perf/bench/work/works.js';

function options(...args: string[]): Options {
  const command = parseCommand(args);
  if (command.kind !== 'run') throw new Error(command.kind);
  return command.options;
}

test('by default all peers and all work; --quick leaves variants out and is shorter', (t) => {
  const full = options();
  t.deepEqual(full.peers, PEERS.map(({ name }) => name));
  t.deepEqual(full.works, WORKS.map(({ name }) => name));
  const quick = options('--quick');
  t.true(quick.peers.length < full.peers.length && quick.rounds < full.rounds && quick.held < full.held);
  for (const peer of ['none', 'nft', 'vip', 'haproxy', 'haproxy-1-splice', 'nginx', 'relay', 'node-pipe']) t.true(quick.peers.includes(peer), peer);
  t.is(options('--quick', '--rounds', '2').rounds, 2, 'what is said counts more');
});

test('peers by name, work by its beginning, each once and in the order of the tables', (t) => {
  t.deepEqual(options('--peers', 'vip, none', '--work', 'http,bulk-1,bulk').peers, ['none', 'vip']);
  t.deepEqual(options('--work', 'http,bulk-1,bulk').works, ['bulk-1-up', 'bulk-1-down', 'bulk-8-up', 'bulk-8-down', 'http']);
});

test('what is not there, or out of range, is said', (t) => {
  for (const args of [['--peers', 'apache'], ['--peers', ''], ['--work', 'x'], ['--rounds', '0'], ['--rounds', '1.5'], ['--rounds', ''], ['--seconds', 'long'], ['--held', '100001'], ['--nope'], ['word']]) {
    t.throws(() => parseCommand(args), { instanceOf: UsageError }, args.join(' '));
  }
  t.throws(() => parseCommand(['--peers', 'apache']), { message: /no peer apache: there are none, nft, vip/ });
});

test('help names every peer and every work', (t) => {
  t.deepEqual(parseCommand(['--help', '--quick']), { kind: 'help' });
  for (const { name } of [...PEERS, ...WORKS]) t.true(HELP.includes(name), name);
});

test('files to write', (t) => {
  const command = parseCommand(['--json', 'a.json', '--html', 'b.html']);
  t.deepEqual(command.kind === 'run' && command.output, { json: 'a.json', svg: undefined, html: 'b.html' });
});
