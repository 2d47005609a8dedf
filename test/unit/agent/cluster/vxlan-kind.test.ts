import test from 'ava';
import { ClusterSettingsError } from '../../../../agent/cluster/settings.js';
import { vxlanKind } from '../../../../agent/cluster/vxlan-kind.js';

test('the kernel as root, userspace without; either as it is told to, where it can', (t) => {
  t.deepEqual([vxlanKind('auto', 'root'), vxlanKind('auto', 'rootless')], ['kernel', 'userspace']);
  t.deepEqual([vxlanKind('userspace', 'root'), vxlanKind('kernel', 'root')], ['userspace', 'kernel']);
  t.throws(() => vxlanKind('kernel', 'rootless'), { instanceOf: ClusterSettingsError, message: /^--vxlan kernel: this agent is rootless/ });
});
