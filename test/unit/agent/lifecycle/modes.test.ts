import test from 'ava';
import { decideMode, ModeError, refuseInSockets, rootlessObstacles, rootObstacles, socketsObstacles, TRIAL, type HostFacts, type ModeRequest } from '../../../../agent/lifecycle/modes.js';

const root: HostFacts = {
  uid: 0,
  tun: 'ok',
  missingTools: [],
  missingCapabilities: [],
  runWritable: true,
  ownNamespaces: 'ok',
  userNamespaces: 'ok',
  sysctls: { 'user.max_user_namespaces': 15000 },
};
const nobody: HostFacts = { ...root, uid: 65534, missingCapabilities: ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'], runWritable: false, ownNamespaces: 'not tried' };
const refused = { failed: 'unshare failed: Operation not permitted', code: 1 };

test('auto takes root for root, and rootless for everybody else', (t) => {
  t.deepEqual(decideMode('auto', root), { mode: 'root' });
  t.deepEqual(decideMode('auto', nobody), { mode: 'rootless' });
});

test('root may ask for rootless', (t) => {
  t.deepEqual(decideMode('rootless', root), { mode: 'rootless' });
});

test('root that cannot be root runs rootless, and says why', (t) => {
  t.deepEqual(decideMode('auto', { ...root, missingCapabilities: ['CAP_NET_ADMIN'] }), {
    mode: 'rootless',
    note: 'mode root cannot run here: this root has no CAP_NET_ADMIN',
  });
});

function refusal(request: ModeRequest, facts: HostFacts): string {
  try {
    return `runs ${decideMode(request, facts).mode}`;
  } catch (error) {
    if (!(error instanceof ModeError)) throw error;
    return error.message;
  }
}

test('mode root without root', (t) => {
  t.is(refusal('root', nobody), 'mode root cannot run here: uid 65534 is not root: run it with sudo, or use --mode rootless');
});

test('/dev/net/tun, by cause', (t) => {
  const tun = (code: string): string => refusal('rootless', { ...nobody, tun: { failed: `${code}: open`, code } });
  t.is(tun('EACCES'), 'mode rootless cannot run here: /dev/net/tun is not readable by uid 65534: chmod 0666 /dev/net/tun, or start vipmesh as root');
  t.is(tun('ENOENT'), 'mode rootless cannot run here: there is no /dev/net/tun: modprobe tun; in a container, start it with --device /dev/net/tun');
  t.is(tun('EPERM'), 'mode rootless cannot run here: /dev/net/tun is forbidden by the container: start the container with --device /dev/net/tun');
  t.regex(tun('EBUSY'), /cannot be opened \(EBUSY: open\)/);
});

test('each sysctl that forbids user namespaces is named with its remedy', (t) => {
  const forbidden = (sysctls: HostFacts['sysctls']): string => refusal('rootless', { ...nobody, userNamespaces: refused, sysctls });
  t.is(
    forbidden({ 'kernel.unprivileged_userns_clone': 0 }),
    'mode rootless cannot run here: kernel.unprivileged_userns_clone=0 forbids user namespaces to uid 65534: sysctl -w kernel.unprivileged_userns_clone=1',
  );
  t.is(
    forbidden({ 'user.max_user_namespaces': 0 }),
    'mode rootless cannot run here: user.max_user_namespaces=0 forbids user namespaces to uid 65534: sysctl -w user.max_user_namespaces=15000',
  );
  t.is(
    forbidden({ 'kernel.apparmor_restrict_unprivileged_userns': 1 }),
    'mode rootless cannot run here: kernel.apparmor_restrict_unprivileged_userns=1 forbids user namespaces to uid 65534: ' +
      'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  );
  t.regex(forbidden({}), /a user namespace cannot be made \(unshare failed: Operation not permitted\): allow user namespaces in the container/);
});

test('a sysctl that would forbid it but does not, as for root or with a profile, is no obstacle', (t) => {
  t.deepEqual(rootlessObstacles({ ...nobody, sysctls: { 'kernel.apparmor_restrict_unprivileged_userns': 1 } }), []);
  const asRoot = rootlessObstacles({ ...root, userNamespaces: refused, sysctls: { 'kernel.unprivileged_userns_clone': 0 } });
  t.deepEqual(asRoot.map(({ cause }) => cause), ['a user namespace cannot be made (unshare failed: Operation not permitted)']);
});

test('missing tools are named with their package, once, and not the trials that fail for want of them', (t) => {
  const facts: HostFacts = {
    ...nobody,
    missingTools: [
      { tool: 'ip', package: 'iproute2' },
      { tool: 'unshare', package: 'util-linux' },
      { tool: 'setpriv', package: 'util-linux' },
    ],
    userNamespaces: 'not tried',
  };
  t.is(
    refusal('auto', facts),
    'no mode can run here:\n' +
      '  - ip not found: install the package iproute2 (apt-get install iproute2)\n' +
      '  - unshare, setpriv not found: install the package util-linux (apt-get install util-linux)',
  );
});

const container: HostFacts = {
  ...root,
  missingCapabilities: ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'],
  tun: { failed: 'ENOENT', code: 'ENOENT' },
  ownNamespaces: refused,
  userNamespaces: refused,
};

test('where neither root nor rootless can run, auto takes sockets, and says why', (t) => {
  t.deepEqual(decideMode('auto', { ...nobody, tun: { failed: 'x', code: 'ENOENT' }, userNamespaces: refused }), {
    mode: 'sockets',
    note: 'mode rootless cannot run here: there is no /dev/net/tun; a user namespace cannot be made (unshare failed: Operation not permitted)',
  });
  t.deepEqual(decideMode('auto', container), {
    mode: 'sockets',
    note:
      'mode root cannot run here: this root has no CAP_NET_ADMIN and no CAP_SYS_ADMIN; there is no /dev/net/tun. ' +
      'mode rootless cannot run here: there is no /dev/net/tun; a user namespace cannot be made (unshare failed: Operation not permitted)',
  });
});

test('everybody may ask for sockets, which needs no more than to start processes', (t) => {
  t.deepEqual(decideMode('sockets', root), { mode: 'sockets' });
  t.deepEqual(socketsObstacles({ ...container, missingTools: [{ tool: 'ip', package: 'iproute2' }, { tool: 'unshare', package: 'util-linux' }] }), []);
  t.is(refusal('sockets', { ...nobody, missingTools: [{ tool: 'setsid', package: 'util-linux' }] }), 'mode sockets cannot run here: setsid not found: install the package util-linux (apt-get install util-linux)');
});

test('what mode sockets has nothing for is refused', (t) => {
  t.notThrows(() => refuseInSockets({ cluster: false, offload: false }));
  t.throws(() => refuseInSockets({ cluster: true, offload: false }, 'mode rootless cannot run here: x'), {
    instanceOf: ModeError,
    message: 'mode sockets is not enough: a node of a cluster (--store) needs namespaces, and this would be mode sockets (mode rootless cannot run here: x): start it in mode root or rootless, or without --store, alone',
  });
  t.throws(() => refuseInSockets({ cluster: false, offload: true }), { instanceOf: ModeError, message: /--offload.*leave these options out/ });
});

test('no mode can run: what hinders several is said once', (t) => {
  const text = refusal('auto', { ...container, missingTools: [{ tool: 'setpriv', package: 'util-linux' }] });
  t.true(text.startsWith('no mode can run here:\n'));
  t.regex(text, /this root has no CAP_NET_ADMIN and no CAP_SYS_ADMIN: start it outside the container/);
  t.is(text.match(/there is no \/dev\/net\/tun/g)?.length, 1);
  t.is(text.match(/setpriv not found/g)?.length, 1);
});

test('what the trial found out inside the namespaces', (t) => {
  const inside = (code: number): string[] => rootObstacles({ ...root, ownNamespaces: { failed: 'x', code } }).map(({ cause }) => cause);
  t.deepEqual(inside(TRIAL.sysctlReadOnly), ['/proc/sys is read-only']);
  t.deepEqual(inside(TRIAL.noVeth), ['veth pairs cannot be made in a network namespace (x)']);
  t.deepEqual(inside(1), ['a network namespace cannot be made (x)']);
});

test('root with nowhere to pin a namespace', (t) => {
  t.is(refusal('root', { ...root, runWritable: false }), 'mode root cannot run here: /run is not writable, so no namespace can be pinned in /run/netns: mount a tmpfs on /run, or use --mode rootless');
});

test('the other mode is a remedy only where it can run', (t) => {
  const remedies = (obstacles: { readonly remedy: string }[]): string => obstacles.map(({ remedy }) => remedy).join('; ');
  t.is(remedies(rootObstacles(nobody)), 'run it with sudo, or use --mode rootless');
  t.is(remedies(rootObstacles({ ...nobody, userNamespaces: refused })), 'run it with sudo');
  t.is(remedies(rootObstacles({ ...root, runWritable: false, userNamespaces: refused })), 'mount a tmpfs on /run');
  t.regex(remedies(rootlessObstacles({ ...root, userNamespaces: refused })), /, or use --mode root$/);
  t.notRegex(remedies(rootlessObstacles({ ...root, userNamespaces: refused, ownNamespaces: refused })), /--mode/);
});
