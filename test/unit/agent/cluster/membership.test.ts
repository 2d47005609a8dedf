import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { checkMembership, MembershipError, noteMembership } from '../../../../agent/cluster/membership.js';
import type { ClusterSettings } from '../../../../agent/cluster/settings.js';

const PROD: ClusterSettings = { cluster: 'prod', members: ['192.0.2.1:2379', '192.0.2.2:2379'], advertise: '192.0.2.7', vxlanPort: 4789, auth: { user: 'mesh', password: 'secret' } };

function file(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-membership-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'cluster.json');
}

test('a node that was never one of a cluster may be alone, or become one', (t) => {
  const path = file(t);
  t.notThrows(() => checkMembership(path, undefined, false, ''));
  t.notThrows(() => checkMembership(path, PROD, false, ''));
  noteMembership(path, undefined);
  t.false(existsSync(path));
});

test('a node of a cluster is not started alone, or in another cluster, by a slip; the error says how', (t) => {
  const path = file(t);
  noteMembership(path, PROD);
  t.notThrows(() => checkMembership(path, { ...PROD, members: ['192.0.2.3:2379'], advertise: '192.0.2.8' }, false, ''), 'etcd and the address may move');
  const remedy =
    'start it as before, `vipmesh up --state-dir /s --store etcd://192.0.2.1:2379,192.0.2.2:2379 --cluster prod --advertise 192.0.2.7` (and what else it was given), ' +
    'or take it out of that cluster first, `vipmesh up --state-dir /s --store local`';
  t.throws(() => checkMembership(path, undefined, false, ' --state-dir /s'), {
    instanceOf: MembershipError,
    message: `this node is one of cluster 'prod', and without --store it would be alone, and its tasks would end: ${remedy}`,
  });
  t.throws(() => checkMembership(path, { ...PROD, cluster: 'porduction' }, false, ' --state-dir /s'), {
    instanceOf: MembershipError,
    message: `this node is one of cluster 'prod', and its tasks would end if it were one of 'porduction' now: ${remedy}`,
  });
});

test('who says so may leave, and is forgotten once alone', (t) => {
  const path = file(t);
  noteMembership(path, PROD);
  t.notThrows(() => checkMembership(path, undefined, true, ''));
  noteMembership(path, undefined);
  t.notThrows(() => checkMembership(path, undefined, false, ''));
});

test('no password is kept, and a damaged file keeps nobody from starting', (t) => {
  const path = file(t);
  noteMembership(path, PROD);
  t.notRegex(readFileSync(path, 'utf8'), /secret|mesh/);
  writeFileSync(path, '{"cluster": "pr');
  t.notThrows(() => checkMembership(path, undefined, false, ''));
});
