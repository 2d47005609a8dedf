import test from 'ava';
import { keptCapabilities } from '../../../../agent/lifecycle/gateway-privileges.js';
import { CAP_NET_BIND_SERVICE, CAP_SETFCAP, CAP_SYS_ADMIN } from '../../../../kernel/ffi/constants.js';

test('ports below 1024, and root what a user namespace of its own takes', (t) => {
  t.deepEqual(keptCapabilities({ uid: 1000, sysctls: {} }), [CAP_NET_BIND_SERVICE]);
  t.deepEqual(keptCapabilities({ uid: 1000, sysctls: { 'kernel.unprivileged_userns_clone': 1, 'kernel.apparmor_restrict_unprivileged_userns': 0 } }), [CAP_NET_BIND_SERVICE]);
  t.deepEqual(keptCapabilities({ uid: 0, sysctls: {} }), [CAP_NET_BIND_SERVICE, CAP_SETFCAP]);
});

test('where only the administrator may make user namespaces, what makes it one is kept', (t) => {
  for (const sysctls of [{ 'kernel.unprivileged_userns_clone': 0 }, { 'kernel.apparmor_restrict_unprivileged_userns': 1 }]) {
    t.deepEqual(keptCapabilities({ uid: 0, sysctls }), [CAP_NET_BIND_SERVICE, CAP_SETFCAP, CAP_SYS_ADMIN]);
  }
});
