/**
 * Whether a node that is up has what this one says of itself: its id (a state directory that was copied), or the address and the port at
 * which others are to reach it. Pure; registration.ts refuses it then. Names are registration.ts's: they are held by nodes that are down, too.
 */
import type { NodeRecord } from '../../overlay/model/object.js';
import { fabricPort } from '../../overlay/vxlan/fabric.js';

type Own = Pick<NodeRecord, 'id' | 'hostname' | 'address' | 'vxlanPort'>;

/** What is in the way, and the remedy. @param others nodes that are up, this one's own record among them if it is */
export function rivalProblem(own: Own, others: Iterable<Own>): string | undefined {
  for (const other of others) {
    const where = `'${other.hostname}' at ${other.address}`;
    if (other.id === own.id) {
      if (other.hostname === own.hostname && other.address === own.address) continue;
      return (
        `this node's id, ${own.id}, is that of the node ${where}, which is up: this state directory is a copy of that node's. ` +
        `Remove node.json from it, or use another with --state-dir, and this host is a node of its own`
      );
    }
    if (other.address === own.address && portsMeet(own, other)) {
      return `another node of the cluster, ${other.id}, called '${other.hostname}', is up at ${own.address} and takes packets of other nodes at UDP port ${other.vxlanPort}: give an address of this host alone with --advertise, or another port with --vxlan-port`;
    }
  }
  return undefined;
}

/** Each has two. */
function portsMeet(a: Own, b: Own): boolean {
  if (a.vxlanPort === undefined || b.vxlanPort === undefined) return false;
  const theirs = [fabricPort(b.vxlanPort, false), fabricPort(b.vxlanPort, true)];
  return [fabricPort(a.vxlanPort, false), fabricPort(a.vxlanPort, true)].some((port) => theirs.includes(port));
}
