/** What the mirror knows of the cluster, as the VXLAN of each network on this node. Pure. */
import type { TaskObject } from '../../overlay/model/object.js';
import { isEnded } from '../../overlay/model/task-state.js';
import { networkFabric, type Fabric } from '../../overlay/vxlan/fabric.js';
import type { Mirror } from './mirror.js';

type Known = Pick<Mirror, 'nodes' | 'networks' | 'attached' | 'tasks'>;

/**
 * By network id; undefined for one that needs none. Nodes that are down keep their routes: they may only have lost the store.
 * @param self id of this node
 */
export function fabrics({ nodes, networks, attached, tasks }: Known, self: string): (networkId: string) => Fabric | undefined {
  const own = nodes.get(self);
  const byNetwork = new Map<string, TaskObject[]>();
  for (const task of tasks.values()) {
    if (isEnded(task)) continue;
    for (const { networkId } of task.addresses) {
      const there = byNetwork.get(networkId);
      if (there) there.push(task);
      else byNetwork.set(networkId, [task]);
    }
  }
  return (networkId) => {
    const network = networks.get(networkId);
    if (!own || !network) return undefined;
    return networkFabric({ self: own, nodes: nodes.values(), network: { id: network.id, vni: network.vni, encrypted: network.spec.encrypted === true }, attached: attached.get(networkId) ?? {}, tasks: byNetwork.get(networkId) ?? [] });
  };
}
