/**
 * The composition root of mode sockets: as agent/daemon.ts, without what needs a namespace or a TUN (sandboxes, data plane, kernel offload,
 * what is between nodes). One name server, on a local port, serves everybody.
 */
import { join } from 'node:path';
import { closeSync } from 'node:fs';
import { keepFromChildren } from '../../kernel/run/descriptors.js';
import { DnsServer } from '../../overlay/dns/server.js';
import type { Context } from '../../overlay/model/context.js';
import { newId } from '../../overlay/model/id.js';
import type { NetworkObject } from '../../overlay/model/object.js';
import { LOOPBACK_POOL } from '../../overlay/model/subnets.js';
import { ensureIngress } from '../../overlay/network/networks.js';
import { completeServices } from '../../overlay/service/complete.js';
import { listObjects } from '../../overlay/service/lookup.js';
import { markTask } from '../../overlay/service/tasks.js';
import { NETWORKS, troublesKey } from '../../overlay/store/keys.js';
import { systemClock } from '../../proxy/time/clock.js';
import { serveApi } from '../api/server.js';
import { Leadership } from '../cluster/leader.js';
import { Members } from '../cluster/members.js';
import { openStore } from '../cluster/open-store.js';
import { Presence, register, type OwnRecord } from '../cluster/registration.js';
import { careForHeap } from '../heap-care.js';
import type { HostGateway } from '../host-gateway.js';
import { DaemonControl } from '../intent/daemon-control.js';
import { TaskLogs } from '../intent/logs.js';
import { ServiceChanges } from '../intent/service-changes.js';
import { ageOf } from '../intent/store-reads.js';
import { SHUTDOWN_GRACE_MS, type Daemon, type DaemonOptions } from '../lifecycle/program.js';
import { recover } from '../reconcile/adoption.js';
import { OutageLog } from '../outage-log.js';
import { Mirror } from '../reconcile/mirror.js';
import { NodeProblems } from '../reconcile/node-problems.js';
import { Node } from '../reconcile/node.js';
import { Orchestrator } from '../reconcile/orchestrator.js';
import { Publisher } from '../reconcile/publisher.js';
import { StatusWriter } from '../reconcile/status-writer.js';
import { descriptorLimit, limitsFor } from '../relay/limits.js';
import { startRelay } from '../relay/relay.js';
import { prefixed, takeDown, type Undo } from '../undo.js';
import { ownPrivilege, socketsLimits, storedProblem } from './limits.js';
import { vipListeners } from './plan.js';
import { SocketsPremises } from './premises.js';

const DNS_ADDRESS = '127.0.0.1';
/** Above 1024, and below the ports that the kernel chooses by itself (net.ipv4.ip_local_port_range). */
const DNS_PORT = 10_053;
/** What the name server serves everybody under. */
const DNS_ID = 'host';

/** Bytes: of lo (drivers/net/loopback.c). Nothing leaves the host. */
const LOOPBACK_MTU = 65_536;

/** Resolves once the API answers. What was built before a failure is taken down again. */
export async function runDaemon(options: DaemonOptions): Promise<Daemon> {
  const undo: Undo = [];
  try {
    return await build(options, undo);
  } catch (error) {
    await takeDown(options.log, undo);
    throw error;
  }
}

async function build(options: DaemonOptions, undo: Undo): Promise<Daemon> {
  const { log, paths, gateway } = options;
  const clock = systemClock;
  const context: Context = { clock, newId, node: options.nodeName };
  let resolveClosed = (): void => undefined;
  const closed = new Promise<void>((resolve) => (resolveClosed = resolve));
  let closing: Promise<void> | undefined;
  const shutdown = (): Promise<void> => (closing ??= takeDown(log, undo).finally(resolveClosed));

  const store = openStore(paths.store, undefined);
  undo.push(() => store.close());
  undo.push(careForHeap(clock));
  const problem = storedProblem(await listObjects<NetworkObject>(store, NETWORKS), options.mode, paths.stateDirectory);
  if (problem !== undefined) throw new Error(problem);
  const own: OwnRecord = { id: options.nodeId, hostname: options.nodeName, mode: options.mode, version: options.version, mtu: LOOPBACK_MTU, address: DNS_ADDRESS };
  await register(store, own, context);
  keepFromChildren();
  await completeServices(store);
  // None outlives its agent: what runs of a service is started again.
  await recover(store, context, []);
  const presence = await Presence.begin({ store, own, context, log });
  undo.push(() => presence.close());
  const ingress = await ensureIngress(store, context, [], LOOPBACK_POOL);
  const logs = new TaskLogs(join(paths.stateDirectory, 'logs'));
  undo.push(() => logs.close());

  const relay = await startRelay({
    onError: (error) => {
      log.error('the relay failed, shutting down', { err: error });
      process.exitCode = 1;
      void shutdown();
    },
  });
  undo.push(() => relay.close());
  const dns = new DnsServer({ forward: (query, protocol) => gateway.resolve(query, protocol) });
  undo.push(() => dns.close());
  const dnsAddress = await serveNames(dns, gateway, options.dataplane.dnsPort ?? DNS_PORT);
  const publisher = new Publisher(gateway, relay);
  undo.push(() => publisher.close());

  const following = new AbortController();
  const leadership = new Leadership({ store, nodeId: own.id, context, log, onChange: () => orchestrator.request() });
  undo.push(() => leadership.close());
  const onChange = (): void => {
    orchestrator.request();
    node.request();
  };
  // These are made below; the mirror tells nobody anything before it is started.
  const outages = new OutageLog(log, clock, 'the store cannot be followed, trying again', 'the store is followed again');
  const mirror: Mirror = new Mirror(
    store,
    clock,
    () => {
      outages.works();
      presence.observe(mirror.nodes.has(own.id) && mirror.alive.has(own.id), mirror.revision);
      leadership.observe(mirror.leader);
      members.observe();
      onChange();
      logs.keepOnly((id) => mirror.tasks.has(id));
    },
    (error) => outages.failed(error),
  );
  const members = new Members({ own: own.id, mirror, store, clock, onChange });
  undo.push(() => members.close());
  const orchestrator = new Orchestrator(leadership, mirror, members, context, log);
  const statuses = new StatusWriter(
    (taskId, observed) => markTask(store, taskId, observed, context),
    clock,
    (error) => log.error('the state of a task cannot be stored, trying again', { err: error }),
  );
  const problems = new NodeProblems({ clock, log, write: (all) => presence.put(troublesKey(own.id), all) });
  const node = new Node({
    name: options.nodeName,
    nodeId: options.nodeId,
    clustered: false,
    mirror,
    premises: new SocketsPremises({ nodeId: options.nodeId, mirror, relay, dns, dnsId: DNS_ID, dnsAddress }),
    publisher,
    problems,
    clock,
    log,
    outlives: false,
    survivors: new Map(),
    upNodes: () => members.upNames(),
    // There is no other node that waits for it.
    noteApplied: () => undefined,
    outputOf: (task) => logs.open(task.id),
    onStatus: (task, observed) => {
      statuses.write(task, observed);
      if (observed.state === 'failed' || observed.state === 'complete' || observed.state === 'shutdown') logs.ended(task.id);
    },
  });
  undo.push(() => node.close(SHUTDOWN_GRACE_MS));
  undo.push(() => orchestrator.close());
  undo.push(() => presence.close());
  undo.push(() => problems.close());
  undo.push(() => leadership.close());
  undo.push(() => following.abort());
  // What stops because the agent does is meant to run: the next agent starts the very same tasks again.
  undo.push(() => statuses.close());
  await mirror.start(following.signal);
  await node.settled();
  node.start();

  const control = new DaemonControl({
    limits: socketsLimits(() => mirror.services.values(), ownPrivilege()),
    store,
    mirror,
    members,
    node,
    problems,
    offloader: { flows: () => Promise.resolve([]), list: () => Promise.resolve([]), show: () => Promise.resolve([]) },
    changes: new ServiceChanges(store, publisher, context, (service) => vipListeners(service, ingress.id)),
    logs,
    context,
    info: {
      name: options.nodeName,
      nodeId: options.nodeId,
      version: options.version,
      mode: options.mode,
      pid: options.pid,
      startedAt: options.startedAt,
      maxFlows: limitsFor(descriptorLimit()).maxConnections,
      workers: 0,
      dns: dnsAddress,
      stateDirectory: paths.stateDirectory,
      socket: paths.socket,
      store: { kind: 'embedded' },
    },
    counters: async () => ({ ...prefixed('relay', await relay.counters()), ...prefixed('dns', dns.counters()) }),
    shutdown,
  });
  const api = await serveApi({ control, socketPath: paths.socket, log, age: () => ageOf(store.contact) });
  undo.push(() => api.close());
  log.info('the agent is ready', { mode: options.mode, socket: paths.socket, dns: dnsAddress });
  return { closed, shutdown };
}

/** Answers where. Rejects with ListenError. */
async function serveNames(dns: DnsServer, gateway: HostGateway, port: number): Promise<string> {
  const remedy = (error: unknown): never => {
    throw new Error(`the name server cannot listen, choose its port with --dns-port: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  };
  const udp = await gateway.bindUdp(DNS_ADDRESS, port).catch(remedy);
  const tcp = await gateway.listenTcp(DNS_ADDRESS, port).catch((error: unknown) => {
    closeSync(udp);
    return remedy(error);
  });
  await dns.serve(DNS_ID, udp, tcp, { networks: [] });
  return `${DNS_ADDRESS}:${port}`;
}
