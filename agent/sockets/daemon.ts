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
import { NETWORKS } from '../../overlay/store/keys.js';
import { systemClock } from '../../proxy/time/clock.js';
import { ControlPlane, ownInfo, prefixed } from '../control-plane.js';
import { serveApi } from '../api/server.js';
import { openStore } from '../cluster/open-store.js';
import { Presence, register, type OwnRecord } from '../cluster/registration.js';
import { careForHeap } from '../heap-care.js';
import type { HostGateway } from '../host-gateway.js';
import { DaemonControl } from '../intent/daemon-control.js';
import { TaskLogs } from '../intent/logs.js';
import { ServiceChanges } from '../intent/service-changes.js';
import { ageOf } from '../intent/store-reads.js';
import { SHUTDOWN_GRACE_MS, type Daemon, type DaemonOptions } from '../lifecycle/program.js';
import { composed, type Lifetime } from '../lifetime.js';
import { recover } from '../reconcile/adoption.js';
import { Node } from '../reconcile/node.js';
import { Publisher } from '../reconcile/publisher.js';
import { descriptorLimit, limitsFor } from '../relay/limits.js';
import { startRelay } from '../relay/relay.js';
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
export function runDaemon(options: DaemonOptions): Promise<Daemon> {
  return composed(options, build);
}

async function build(options: DaemonOptions, lifetime: Lifetime): Promise<void> {
  const { undo } = lifetime;
  const { log, paths, gateway } = options;
  const clock = systemClock;
  const context: Context = { clock, newId, node: options.nodeName };

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

  const relay = await startRelay({ onError: lifetime.failed('the relay') });
  undo.push(() => relay.close());
  const dns = new DnsServer({ forward: (query, protocol) => gateway.resolve(query, protocol) });
  undo.push(() => dns.close());
  const dnsAddress = await serveNames(dns, gateway, options.dataplane.dnsPort ?? DNS_PORT);
  const publisher = new Publisher(gateway, relay);
  undo.push(() => publisher.close());

  const plane = new ControlPlane({ nodeId: own.id, store, presence, logs, context, log, lifetime, onChange: () => node.request() });
  const { mirror, members, statuses, problems } = plane;
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
    onStatus: (task, observed) => plane.noteStatus(task, observed),
    isShown: (taskId) => plane.isShown(taskId),
  });
  undo.push(() => node.close(SHUTDOWN_GRACE_MS));
  plane.leaveFirst();
  // What stops because the agent does is meant to run: the next agent starts the very same tasks again.
  undo.push(() => statuses.close());
  await plane.start();
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
      ...ownInfo(options),
      maxFlows: limitsFor(descriptorLimit()).maxConnections,
      workers: 0,
      dns: dnsAddress,
    },
    counters: async () => ({ ...prefixed('relay', await relay.counters()), ...prefixed('dns', dns.counters()) }),
    shutdown: () => lifetime.shutdown(),
  });
  const api = await serveApi({ control, socketPath: paths.socket, log, age: () => ageOf(store.contact) });
  undo.push(() => api.close());
  log.info('the agent is ready', { mode: options.mode, socket: paths.socket, dns: dnsAddress });
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
