/**
 * The composition root: builds everything a node is made of, in the order in which each needs the one before, and takes it
 * down in the opposite order. What happens in between is the mirror's telling the two reconcilers that something changed.
 *
 *   store ─► mirror ─► orchestrator   services → tasks
 *                  └─► node           tasks → sandboxes, processes; and → balancer, name server, published ports
 *   API ─► control ─► store
 */
import { join } from 'node:path';
import { ownNamespace } from '../kernel/netns/netns.js';
import { MARK_SPAN } from '../kernel/offload/driver.js';
import { rawObstacle } from '../kernel/raw/raw.js';
import { keepFromChildren } from '../kernel/run/descriptors.js';
import type { Context } from '../overlay/model/context.js';
import { newId } from '../overlay/model/id.js';
import { DnsServer } from '../overlay/dns/server.js';
import { ensureIngress } from '../overlay/network/networks.js';
import { completeServices } from '../overlay/service/complete.js';
import { NodeMarks } from '../overlay/service/marks.js';
import { markTask } from '../overlay/service/tasks.js';
import { openEmbeddedStore } from '../overlay/store/embedded.js';
import { DEFAULT_MAX_FLOWS } from '../proxy/flow/table.js';
import { systemClock } from '../proxy/time/clock.js';
import { serveApi } from './api/server.js';
import { defaultWorkers, startDataplane } from './dataplane/start.js';
import { hostRoutes, ingressRoutes } from './host-routes.js';
import { DaemonControl } from './intent/daemon-control.js';
import { TaskLogs } from './intent/logs.js';
import { ServiceChanges } from './intent/service-changes.js';
import { cleanedUpText, cleanUp } from './lifecycle/clean-up.js';
import { hostLinkName } from './sandbox/network-plan.js';
import { SHUTDOWN_GRACE_MS, type Daemon, type DaemonOptions } from './lifecycle/program.js';
import { chooseBackend, driverProblem, type OffloadBackend } from './offload/backend.js';
import { Offloader } from './offload/offloader.js';
import { DEFAULT_OFFLOAD } from './offload/settings.js';
import { keptBy, recover } from './reconcile/adoption.js';
import { Mirror } from './reconcile/mirror.js';
import { createSandbox, Node } from './reconcile/node.js';
import { Orchestrator } from './reconcile/orchestrator.js';
import { Publisher } from './reconcile/publisher.js';
import { StatusWriter } from './reconcile/status-writer.js';
import { startRelay } from './relay/relay.js';
import { findSurvivors } from './tasks/survivors.js';

/** What VXLAN's headers take from the underlay's MTU: IPv4 20, UDP 8, VXLAN 8, Ethernet 14 (RFC 7348 §5). */
const VXLAN_OVERHEAD = 50;

/** Resolves once the API answers. What was built before a failure is taken down again. */
export async function runDaemon(options: DaemonOptions): Promise<Daemon> {
  const undo: (() => Promise<void> | void)[] = [];
  try {
    return await build(options, undo);
  } catch (error) {
    await takeDown(options, undo);
    throw error;
  }
}

async function build(options: DaemonOptions, undo: (() => Promise<void> | void)[]): Promise<Daemon> {
  const { log, paths, gateway, prefix } = options;
  const clock = systemClock;
  const context: Context = { clock, newId, node: options.nodeName };
  let resolveClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => (resolveClosed = resolve));
  let closing: Promise<void> | undefined;
  const shutdown = (): Promise<void> => (closing ??= takeDown(options, undo).finally(resolveClosed));
  /** A worker thread that ended takes the traffic with it: nothing is left to do but to say so and start anew. */
  const failed = (what: string) => (error: Error): void => {
    log.error(`${what} failed, shutting down`, { err: error });
    process.exitCode = 1;
    void shutdown();
  };

  const store = openEmbeddedStore(paths.store);
  undo.push(() => store.close());
  // Tasks may outlive this process, and must not hold its files.
  keepFromChildren();
  await completeServices(store);
  const survivors = findSurvivors(paths.taskFiles);
  const adopted = await recover(store, context, survivors);
  if (survivors.length > 0) {
    const left = cleanedUpText(await cleanUp(paths, prefix, await keptBy(store, adopted, prefix)));
    log.info('tasks have outlived an earlier agent', { tasks: adopted.size, ...(left !== undefined && { removed: left }) });
  }
  const ingress = await ensureIngress(store, context, [...(await hostRoutes()), ...(await ingressRoutes(options.namespaceDirectory))]);
  const logs = new TaskLogs(join(paths.stateDirectory, 'logs'));
  undo.push(() => logs.close());

  const { workers = defaultWorkers(), maxFlows = DEFAULT_MAX_FLOWS, packetIo = 'auto' } = options.dataplane;
  const dataplane = await startDataplane({
    workers,
    maxFlows,
    packetIo,
    onError: failed('the data plane'),
    onDeviceLost: (network, cause) => {
      log.warn('a TUN device is gone, making it anew', { network, cause });
      node.deviceLost(network);
    },
  });
  undo.push(() => dataplane.close());
  const mtu = (await gateway.underlayMtu()) - VXLAN_OVERHEAD;
  const ingressSandbox = await createSandbox(ingress, { namespaces: options.namespaceDirectory, prefix, mtu, dataplane, survivors: adopted });
  let placed = false;
  // As it was found: tasks that were adopted need it.
  undo.push(() => (placed ? undefined : adopted.size > 0 ? ingressSandbox.release() : ingressSandbox.destroy()));
  const relay = await startRelay({ namespaceFd: ingressSandbox.namespace.fd, onError: failed('the relay') });
  const dns = new DnsServer({ forward: (query, protocol) => gateway.resolve(query, protocol) });
  undo.push(() => dns.close());
  const publisher = new Publisher(gateway, relay, (port, message) => log.error('a published port is not served', { port, message }));
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

  const following = new AbortController();
  // Both are made below; the mirror tells nobody anything before it is started.
  const mirror: Mirror = new Mirror(
    store,
    clock,
    () => {
      orchestrator.request();
      node.request();
      logs.keepOnly((id) => mirror.tasks.has(id));
    },
    (error) => log.error('the store cannot be followed, trying again', { err: error }),
  );
  const orchestrator = new Orchestrator(store, mirror, context, log);
  const statuses = new StatusWriter(
    (taskId, observed) => markTask(store, taskId, observed, context),
    clock,
    (error) => log.error('the state of a task cannot be stored, trying again', { err: error }),
  );
  const node = new Node({
    name: options.nodeName,
    mirror,
    dataplane,
    relay,
    publisher,
    dns,
    offloader,
    clock,
    log,
    namespaces: options.namespaceDirectory,
    prefix,
    runtime: paths.taskFiles,
    outlives: options.mode === 'root',
    survivors: adopted,
    mtu,
    outputOf: (task) => logs.open(task.id),
    onStatus: (task, observed) => {
      statuses.write(task, observed);
      if (observed.state === 'failed' || observed.state === 'complete' || observed.state === 'shutdown') logs.ended(task.id);
    },
  });
  await node.adopt(ingress.id, ingressSandbox);
  placed = true;
  undo.push(() => relay.close());
  undo.push(() => node.close(SHUTDOWN_GRACE_MS));
  undo.push(() => offloader.releaseHost());
  undo.push(() => orchestrator.close());
  undo.push(() => following.abort());
  // What stops because the agent does is meant to run: the next agent starts the very same tasks again.
  undo.push(() => statuses.close());
  await mirror.start(following.signal);
  await node.settled();
  // Tasks that were adopted take part now as they did. Not waited for: the API is to answer at once.
  void offloader.start().then(() => node.request());

  const control = new DaemonControl({
    store,
    mirror,
    node,
    offloader,
    orchestrator,
    changes: new ServiceChanges(store, publisher, context),
    logs,
    context,
    info: {
      name: options.nodeName,
      nodeId: options.nodeId,
      version: options.version,
      mode: options.mode,
      pid: options.pid,
      startedAt: options.startedAt,
      maxFlows,
      workers,
      packetIo: dataplane.packetIo,
      ...(offloadProblem !== undefined && { offloadProblem }),
      ...(resetsProblem !== undefined && { resetsProblem }),
      stateDirectory: paths.stateDirectory,
      socket: paths.socket,
    },
    address: '127.0.0.1',
    mtu,
    counters: async () => ({ ...dataplane.counters(), ...prefixed('relay', await relay.counters()), ...prefixed('dns', dns.counters()) }),
    shutdown,
  });
  const api = await serveApi({ control, socketPath: paths.socket, log });
  undo.push(() => api.close());
  log.info('the agent is ready', { mode: options.mode, socket: paths.socket });
  return { closed, shutdown };
}

/** Steps in reverse, every one of them, whatever the ones before came to. */
async function takeDown(options: DaemonOptions, undo: (() => Promise<void> | void)[]): Promise<void> {
  for (const step of undo.splice(0).reverse()) {
    try {
      await step();
    } catch (error) {
      options.log.error('a step of the shutdown failed', { err: error });
    }
  }
}

function prefixed(prefix: string, counters: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counters).map(([name, value]) => [`${prefix}.${name}`, value]));
}
