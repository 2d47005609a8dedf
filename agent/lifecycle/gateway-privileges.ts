/**
 * Which capabilities the outer process of a rootless agent keeps: to publish ports below 1024, and to start another inner process. Decided
 * from facts; pure.
 */
import { CAP_NET_BIND_SERVICE, CAP_SETFCAP, CAP_SYS_ADMIN } from '../../kernel/ffi/constants.js';
import type { HostFacts } from './modes.js';

export function keptCapabilities({ uid, sysctls }: Pick<HostFacts, 'uid' | 'sysctls'>): number[] {
  const kept = [CAP_NET_BIND_SERVICE];
  // Whoever maps root into a user namespace must be able to set file capabilities (kernel/user_namespace.c, verify_root_map, since 5.12).
  if (uid === 0) kept.push(CAP_SETFCAP);
  // Where user namespaces are for the administrator only (Debian's and Ubuntu's sysctls), that is who makes them.
  if (sysctls['kernel.unprivileged_userns_clone'] === 0 || (sysctls['kernel.apparmor_restrict_unprivileged_userns'] ?? 0) > 0) kept.push(CAP_SYS_ADMIN);
  return kept;
}
