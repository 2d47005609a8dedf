import test from 'ava';
import { notForShells, taskEnvironment } from '../../../../agent/tasks/environment.js';
import { hostsFile, resolvConf } from '../../../../agent/tasks/name-files.js';
import { TaskStartError } from '../../../../agent/tasks/start-error.js';

const id = 'ab12cd34ef56';
const host = { PATH: '/host/bin', HOME: '/home/me', LANG: 'C.UTF-8', SECRET: 'x' };

test('the base is minimal, and what was asked for goes before it', (t) => {
  t.deepEqual(taskEnvironment({ id, env: {}, terminal: false, host }), { PATH: '/host/bin', HOME: '/home/me', LANG: 'C.UTF-8', HOSTNAME: id });
  const npm = '/x/node_modules/.bin:/node_modules/.bin:/usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin:/host/bin';
  t.is(taskEnvironment({ id, env: {}, terminal: false, host: { PATH: npm } }).PATH, '/host/bin', "npm's own directories are not the host's");
  t.deepEqual(taskEnvironment({ id, env: { PATH: '/own', A: '' }, terminal: true, host: {} }), {
    PATH: '/own',
    HOME: '/',
    TERM: 'xterm',
    HOSTNAME: id,
    A: '',
  });
});

test('what cannot be in an environment is refused', (t) => {
  for (const env of [{ '': 'x' }, { 'A=B': 'x' }, { A: 'x\0y' }, { 'A\0': 'x' }] as Record<string, string>[]) {
    t.throws(() => taskEnvironment({ id, env, terminal: false, host }), { instanceOf: TaskStartError });
  }
});

test('variables that a shell would drop are known by their name', (t) => {
  t.deepEqual(notForShells({ A: '1', _b2: '2', 'discovery.type': 'x=y', '2A': '', 'a-b': ' ' }), ['discovery.type=x=y', '2A=', 'a-b= ']);
});

test('files of names', (t) => {
  t.is(resolvConf(), 'nameserver 127.0.0.11\noptions ndots:0\n');
  t.is(hostsFile(id, ['10.0.1.5', '10.0.2.9']), `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.1.5\t${id}\n10.0.2.9\t${id}\n`);
});
