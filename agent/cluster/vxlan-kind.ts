/** Who carries packets between nodes on this one: the kernel's VXLAN device, or the fabric worker. The wire is the same. */
import type { NodeRecord } from '../../overlay/model/object.js';
import { ClusterSettingsError } from './settings.js';

export type VxlanKind = NonNullable<NodeRecord['vxlan']>;
/** `auto`: the kernel as root, else userspace. */
export type VxlanChoice = 'auto' | VxlanKind;

/** Throws ClusterSettingsError. */
export function vxlanKind(choice: VxlanChoice, mode: NodeRecord['mode']): VxlanKind {
  if (choice === 'kernel' && mode !== 'root') throw new ClusterSettingsError(`--vxlan kernel: this agent is ${mode}, and the kernel's VXLAN is root's; leave --vxlan out, or run the agent as root`);
  if (choice !== 'auto') return choice;
  return mode === 'root' ? 'kernel' : 'userspace';
}
