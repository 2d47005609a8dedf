/**
 * The composition root: builds everything a node is made of, in the order in which each needs the one before, and takes it
 * down in the opposite order. What happens in between is the mirror's telling the two reconcilers that something changed.
 *
 *   store ─► mirror ─► orchestrator   services → tasks
 *                  └─► node           tasks → sandboxes, processes; and → balancer, name server, published ports
 *   API ─► control ─► store
 */
import { join } from 'node:path';
import { setLinkUp } from '../kernel/netns/interface.js';
import { type Namespace, ownNamespace } from '../kernel/netns/netns.js';
import { MARK_SPAN } from '../kernel/offload/driver.js';
import { rawObstacle } from '../kernel/raw/raw.js';
import { keepFromChildren } from '../kernel/run/descriptors.js';
import type { Context } from '../overlay/model/context.js';
import { newId } from '../overlay/model/id.js';
import { DnsServer } from '../overlay/dns/server.js';
import { appliedKey, NETWORKS } from '../overlay/store/keys.js';
import { attachNode, detachNode, networkOnNode } from '../overlay/network/attached.js';
import { ensureIngress } from '../overlay/network/networks.js';
import { VXLAN_HEADERS } from '../overlay/vxlan/fabric.js';
import { ROTATION_MS } from '../overlay/vxlan/keys.js';
import { reachThrough } from '../overlay/store/etcd-client.js';
import { completeServices } from '../overlay/service/complete.js';
import { listObjects } from '../overlay/service/lookup.js';
import { NodeMarks } from '../overlay/service/marks.js';
import { DEFAULT_MAX_FLOWS } from '../proxy/flow/table.js';
import { systemClock } from '../proxy/time/clock.js';
import { ControlPlane, ownInfo, prefixed } from './control-plane.js';
import { serveApi } from './api/server.js';
import { Encryption, encryptionProblem, removeEncryption } from './cluster/encryption.js';
import { vxlanKind } from './cluster/vxlan-kind.js';
import { rotateKeys } from './cluster/key-rotation.js';
import { careForHeap } from './heap-care.js';
import { openStore } from './cluster/open-store.js';
import { join as joinCluster, Presence, type OwnRecord } from './cluster/registration.js';
import { defaultWorkers, startDataplane } from './dataplane/start.js';
import { hostRoutes, ingressRoutes } from './host-routes.js';
import { DaemonControl } from './intent/daemon-control.js';
import { sandboxLimits } from './intent/limits.js';
import { TaskLogs } from './intent/logs.js';
import { ServiceChanges } from './intent/service-changes.js';
import { ageOf } from './intent/store-reads.js';
import { cleanedUpText, cleanUp } from './lifecycle/clean-up.js';
import { StoreProxy } from './gateway/store-proxy.js';
import { HostFilter, removeHostFilter } from './sandbox/host-filter.js';
import { hostLinkName } from './sandbox/network-plan.js';
import { SHUTDOWN_GRACE_MS, type Daemon, type DaemonOptions } from './lifecycle/program.js';
import { composed, type Lifetime } from './lifetime.js';
import { chooseBackend, driverProblem, type OffloadBackend } from './offload/backend.js';
import { Offloader } from './offload/offloader.js';
import { DEFAULT_OFFLOAD } from './offload/settings.js';
import { keptBy, recover } from './reconcile/adoption.js';
import { Node } from './reconcile/node.js';
import { SandboxPremises } from './reconcile/sandbox-premises.js';
import { createSandbox } from './reconcile/sandboxes.js';
import { takeLeave } from './reconcile/parting.js';
import { Publisher } from './reconcile/publisher.js';
import { UserspaceWeaver } from './reconcile/userspace-weaver.js';
import { Weaver } from './reconcile/weaver.js';
import { UserspaceFabric } from './sandbox/userspace-fabric.js';
import { FabricWorker } from './fabric-worker/start.js';
import { startRelay } from './relay/relay.js';
import { storedProblem } from './sockets/limits.js';
import { findSurvivors } from './tasks/survivors.js';
import { Uplink } from './uplink/uplink.js';

/** Milliseconds that clients of a port wait for its tasks after an agent has died, and longer than that they are refused. */
const ENDPOINTS_MS = 20_000;

/** Resolves once the API answers. What was built before a failure is taken down again. */
export function runDaemon(options: DaemonOptions): Promise<Daemon> {
  return composed(options, build);
}

async function build(options: DaemonOptions, lifetime: Lifetime): Promise<void> {
  const { undo } = lifetime;
  const { log, paths, gateway, prefix } = options;
  const clock = systemClock;
  const context: Context = { clock, newId, node: options.nodeName };

  if (options.mode === 'rootless' && options.cluster !== undefined) {
    // This namespace leads nowhere.
    setLinkUp('lo');
    const proxy = await StoreProxy.begin(gateway, options.cluster.members);
    undo.push(() => proxy.close());
    reachThrough(proxy.url);
  }
  const store = openStore(paths.store, options.cluster);
  undo.push(() => store.close());
  undo.push(careForHeap(clock));
  const stored = options.cluster ? undefined : storedProblem(await listObjects(store, NETWORKS), options.mode, paths.stateDirectory);
  if (stored !== undefined) throw new Error(stored);
  const mtu = (await gateway.underlayMtu(options.cluster?.advertise)) - VXLAN_HEADERS;
  const own = ownRecord(options, mtu);
  await joinCluster(store, own, context, log);
  // Tasks may outlive this process, and must not hold its files.
  keepFromChildren();
  await completeServices(store);
  const survivors = findSurvivors(paths.taskFiles);
  const adopted = await recover(store, context, survivors);
  if (survivors.length > 0) {
    const left = cleanedUpText(await cleanUp(paths, prefix, await keptBy(store, adopted, prefix, options.cluster === undefined)));
    log.info('tasks have outlived an earlier agent', { tasks: adopted.size, ...(left !== undefined && { removed: left }) });
  }
  const presence = await Presence.begin({ store, own, context, log });
  undo.push(() => presence.close());
  const ingress = await ensureIngress(store, context, [...(await hostRoutes(gateway)), ...(await ingressRoutes(options.namespaceDirectory))]);
  const logs = new TaskLogs(join(paths.stateDirectory, 'logs'));
  undo.push(() => logs.close());

  const { workers = defaultWorkers(), maxFlows = DEFAULT_MAX_FLOWS, packetIo = 'auto' } = options.dataplane;
  const dataplane = await startDataplane({
    workers,
    maxFlows,
    packetIo,
    onError: lifetime.failed('the data plane'),
    onDeviceLost: (network, cause) => {
      log.warn('a TUN device is gone, making it anew', { network, cause });
      premises.deviceLost(network);
    },
  });
  undo.push(() => dataplane.close());
  const fabricWorker = own.vxlan === 'userspace' ? new FabricWorker({ onError: lifetime.failed('VXLAN in userspace'), onLost: (vni, cause) => log.warn('the TUN of a VXLAN is gone', { vni, cause }) }) : undefined;
  undo.push(() => fabricWorker?.close());
  const makeFabric = fabricWorker && { makeFabric: (sandbox: Namespace, ipv6: boolean) => new UserspaceFabric({ sandbox, ipv6, worker: fabricWorker }) };
  const ingressOwn = await attachNode(store, ingress.id, options.nodeId);
  const ingressSandbox = await createSandbox(networkOnNode(ingress, ingressOwn), { namespaces: options.namespaceDirectory, prefix, mtu, dataplane, survivors: adopted, ...makeFabric });
  let placed = false;
  // As it was found: tasks that were adopted need it.
  undo.push(() => (placed ? undefined : adopted.size > 0 ? ingressSandbox.release() : ingressSandbox.destroy()));
  const relay = await startRelay({ namespaceFd: ingressSandbox.namespace.fd, threads: workers, onError: lifetime.failed('the relay') });
  const dns = new DnsServer({ forward: (query, protocol) => gateway.resolve(query, protocol) });
  undo.push(() => dns.close());
  const endpointsAwaited = clock.now() + ENDPOINTS_MS;
  const publisher = new Publisher(gateway, relay, () => options.again === true && clock.now() < endpointsAwaited);
  undo.push(() => publisher.close());

  const settings = { ...DEFAULT_OFFLOAD, ...options.dataplane.offload };
  const hostNamespace = options.mode === 'root' ? ownNamespace() : undefined;
  undo.push(() => hostNamespace?.close());
  const marks = new NodeMarks(store, options.nodeName, MARK_SPAN);
  let chosen: Promise<OffloadBackend> | undefined;
  const backend = (): Promise<OffloadBackend> =>
    (chosen ??= chooseBackend(settings).catch((error: unknown) => ({ because: `it could not be found out what this kernel can do: ${String(error)}` })));
  const [offloadProblem, resetsProblem] = await Promise.all([driverProblem(settings, backend), rawObstacle()]);
  if (offloadProblem !== undefined) log.warn('offload: the driver that was asked for does not work here, services stay in userspace', { problem: offloadProblem });
  const offloader = new Offloader({
    settings,
    backend,
    dataplane,
    ...(hostNamespace && { published: { host: hostNamespace, link: { name: hostLinkName(prefix), mtu }, relay, failures: publisher.failures } }),
    markOf: async (...owner) => settings.markBase + (await marks.take(...owner)),
    enter: ({ name, path }) =>
      options.mode === 'root' ? `ip netns exec ${name}` : `nsenter --target ${process.pid} --user --preserve-credentials --mount nsenter --net=${path}`,
    leftovers: adopted.size > 0,
    keepMarks: (wanted) => marks.keepOnly(wanted),
    onChange: () => node.request(),
    clock,
    log,
  });
  undo.push(() => offloader.close());

  const plane = new ControlPlane({ nodeId: own.id, store, presence, logs, context, log, lifetime, onChange: () => node.request() });
  const { mirror, members, leadership, statuses, problems } = plane;
  const filter = own.vxlan === 'kernel' && hostNamespace ? new HostFilter(hostNamespace, prefix) : undefined;
  // Of an agent that had the kernel's.
  if (fabricWorker && hostNamespace) for (const remove of [removeHostFilter, removeEncryption]) await remove(hostNamespace, prefix).catch((error: unknown) => log.warn('what an agent with another VXLAN left on the host cannot be removed', { err: error }));
  const uplink = await Uplink.open({ mode: options.mode, choice: options.uplink ?? 'auto', channel: process, mtu, clock, log });
  undo.push(() => uplink.close());
  const premises = new SandboxPremises({
    nodeId: options.nodeId,
    ...(filter &&
      hostNamespace && { weaver: new Weaver({ nodeId: own.id, mirror, filter, encryption: new Encryption({ nodeId: own.id, host: hostNamespace, prefix, mirror, store }) }) }),
    attach: (networkId, had) => attachNode(store, networkId, options.nodeId, had),
    detach: (networkId) => detachNode(store, networkId, options.nodeId),
    mirror,
    dataplane,
    relay,
    dns,
    offloader,
    clock,
    log,
    namespaces: options.namespaceDirectory,
    prefix,
    runtime: paths.taskFiles,
    survivors: adopted,
    ...(fabricWorker && { weaver: new UserspaceWeaver({ nodeId: own.id, mirror, worker: fabricWorker, gateway }) }),
    ...makeFabric,
    mtu,
    uplink,
    onChange: () => node.request(),
  });
  const node = new Node({
    name: options.nodeName,
    nodeId: options.nodeId,
    clustered: options.cluster !== undefined,
    mirror,
    premises,
    publisher,
    problems,
    clock,
    log,
    outlives: options.mode === 'root',
    survivors: adopted,
    upNodes: () => members.upNames(),
    noteApplied: (applied) => {
      // Whoever waits for it does not wait for long.
      presence.put(appliedKey(own.id), applied).catch((error: unknown) => log.debug('others were not told what is applied here', { err: error }));
    },
    outputOf: (task) => logs.open(task.id),
    onStatus: (task, observed) => plane.noteStatus(task, observed),
    isShown: (taskId) => plane.isShown(taskId),
  });
  await premises.adopt(ingress.id, ingressSandbox, ingressOwn);
  placed = true;
  undo.push(() => relay.close());
  if (options.cluster) undo.push(() => takeLeave({ store, statuses, context }));
  undo.push(() => node.close(SHUTDOWN_GRACE_MS));
  undo.push(() => offloader.releaseHost());
  plane.leaveFirst();
  // What stops because the agent does is meant to run: where there is no other node, the next agent starts the very same tasks again.
  if (!options.cluster) undo.push(() => statuses.close());
  // The first thing that a task does may be to load something.
  await uplink.settled();
  await plane.start();
  if (options.cluster) undo.push(rotateKeys({ leader: leadership, mirror, clock, log, rotation: options.cluster.keyRotation ?? ROTATION_MS }));
  await node.settled();
  node.start();
  // Tasks that were adopted take part now as they did. Not waited for: the API is to answer at once.
  void offloader.start().then(() => node.request());

  const control = new DaemonControl({
    limits: sandboxLimits({ mtu, routes: () => hostRoutes(gateway), encryptionProblem: () => encryptionProblem(hostNamespace, own.vxlan) }),
    store,
    mirror,
    members,
    node,
    problems,
    offloader,
    changes: new ServiceChanges(store, publisher, context),
    logs,
    context,
    info: {
      ...ownInfo(options),
      maxFlows,
      workers,
      packetIo: dataplane.packetIo,
      ...(own.vxlan && { vxlan: own.vxlan }),
      ...(offloadProblem !== undefined && { offloadProblem }),
      ...(resetsProblem !== undefined && { resetsProblem }),
    },
    uplink: () => uplink.status,
    counters: async () => ({
      ...dataplane.counters(),
      ...prefixed('relay', await relay.counters()),
      ...prefixed('dns', dns.counters()),
      // Without nftables there is nothing to count, which is told where the filter is to be set.
      ...prefixed('vxlanDropped', (fabricWorker?.drops() ?? (await filter?.drops().catch(() => undefined))) ?? {}),
      ...prefixed('vxlan', fabricWorker?.traffic() ?? {}),
    }),
    shutdown: () => lifetime.shutdown(),
  });
  const api = await serveApi({ control, socketPath: paths.socket, log, age: () => ageOf(store.contact) });
  undo.push(() => api.close());
  log.info('the agent is ready', { mode: options.mode, socket: paths.socket });
}

/** What this node says of itself in the store. */
function ownRecord({ nodeId, nodeName, mode, version, cluster }: DaemonOptions, mtu: number): OwnRecord {
  return { id: nodeId, hostname: nodeName, mode, version, mtu, ...(cluster === undefined ? { address: '127.0.0.1' } : { address: cluster.advertise, vxlanPort: cluster.vxlanPort, vxlan: vxlanKind(cluster.vxlan ?? 'auto', mode) }) };
}
