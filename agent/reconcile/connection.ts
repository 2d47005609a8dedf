/**
 * How a task is connected to its networks and its name server: for the first time, or again, after its agent was killed and
 * it was not.
 */
import { closeSync } from 'node:fs';
import type { Namespace } from '../../kernel/netns/netns.js';
import { bindUdp, listenTcp } from '../../kernel/netns/sockets.js';
import type { TaskObject } from '../../overlay/model/object.js';
import { namespaceId } from '../lifecycle/processes.js';
import type { NetworkSandbox } from '../sandbox/network-sandbox.js';
import type { Survivor } from '../tasks/survivors.js';
import type { RunnerContext } from './task-runner.js';

const DNS_ADDRESS = '127.0.0.11';
const DNS_PORT = 53;

export function sandboxOf(networkId: string, context: RunnerContext): NetworkSandbox {
  const sandbox = context.sandbox(networkId);
  if (!sandbox) throw new Error(`network ${networkId} has no sandbox on this node`);
  return sandbox;
}

/** Throws SystemError (EADDRINUSE: the task has taken the port itself while no agent had it). */
export async function serveNames(task: TaskObject, namespace: Namespace, context: RunnerContext): Promise<void> {
  const { udp, tcp } = nameServerSockets(namespace);
  await context.dns.serve(task.id, udp, tcp, context.viewOf(task));
}

/** Throws when something of the task is not as it was. */
export async function reconnect(task: TaskObject, { record }: Survivor, namespace: Namespace, context: RunnerContext): Promise<void> {
  const [own, pinned] = [`/proc/${record.shell.pid}/ns/net`, namespace.path].map(namespaceId);
  // Without one it has just ended.
  if (own && own.inode !== pinned?.inode) throw new Error(`it does not run in ${namespace.path}`);
  for (const { networkId, interface: device, address, address6 } of task.addresses) {
    const fault = await sandboxOf(networkId, context).adoptTask(namespace, { id: task.id, interface: device, address, ...(address6 !== undefined && { address6 }) });
    if (fault !== undefined) throw new Error(fault);
  }
  await serveNames(task, namespace, context);
}

/** Both or none. */
function nameServerSockets(namespace: Namespace): { udp: number; tcp: number } {
  const udp = bindUdp(namespace, DNS_ADDRESS, DNS_PORT);
  try {
    return { udp, tcp: listenTcp(namespace, DNS_ADDRESS, DNS_PORT) };
  } catch (error) {
    closeSync(udp);
    throw error;
  }
}
