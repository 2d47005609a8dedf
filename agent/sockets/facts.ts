/**
 * What a task in mode sockets is told, by variables of its environment: it shares the host's ports, and has to be told which address is
 * its own. Pure.
 */
import type { TaskObject } from '../../overlay/model/object.js';
import { NODE_MARK } from '../tasks/marked.js';

export interface Surroundings {
  /** Where it is to listen; undefined: it is on no network. */
  readonly address: string | undefined;
  /** Name of its service; undefined: it has none. */
  readonly service: string | undefined;
  /** Names of its networks, without ingress. */
  readonly networks: readonly string[];
  readonly nodeId: string;
  /** `127.0.0.1:10053`: where services are found by their names. */
  readonly dns: string;
}

export function taskFacts({ name, slot, node }: Pick<TaskObject, 'name' | 'slot' | 'node'>, { address, service, networks, nodeId, dns }: Surroundings): Record<string, string> {
  return {
    ...(address !== undefined && { VIPMESH_ADDRESS: address }),
    VIPMESH_TASK: name,
    ...(service !== undefined && { VIPMESH_SERVICE: service, VIPMESH_SLOT: `${slot}` }),
    VIPMESH_NETWORKS: networks.join(','),
    VIPMESH_NODE: node,
    VIPMESH_DNS: dns,
    [NODE_MARK]: nodeId,
  };
}
